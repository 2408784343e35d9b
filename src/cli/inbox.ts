import type { Config } from "../config.ts";
import type { showItem } from "../tools/inbox.ts";
import { asUser, callUserTool } from "./as-user.ts";
import type { Flags } from "./command.ts";
import { oneLine, paint, print, printJson } from "./output.ts";

interface InboxListing {
  readonly items: readonly ReturnType<typeof showItem>[];
  readonly unread: number;
  readonly next_cursor?: string;
}

/** Prints the inbox. `read` marks the printed items as read; `list` does not. */
export async function showInbox(
  config: Config,
  verb: "list" | "read",
  { json, all, job }: Flags,
): Promise<number> {
  return asUser(config, async (context) => {
    const args = {
      limit: 100,
      mark_read: verb === "read",
      unread_only: !all,
      ...(job ? { job_id: job } : {}),
    };
    const page = await callUserTool<InboxListing>(context, "inbox", args);
    if (json) printJson(page);
    else if (page.items.length === 0) print(all ? "The inbox is empty." : "Nothing unread.");
    else printItems(page, verb);
    return 0;
  });
}

function printItems({ items, unread, next_cursor }: InboxListing, verb: "list" | "read"): void {
  for (const item of items) {
    const colour = item.kind === "result" && item.status === "succeeded" ? "green" : "red";
    print(
      `${paint("bold", oneLine(item.job_name ?? item.job_id))}  ${paint(colour, item.status)}  ${item.at}${item.read ? "  read" : ""}`,
    );
    if (item.note) print(`  ${paint("yellow", oneLine(item.note, 300))}`);
    print(`  ${oneLine(item.output ?? item.failure ?? "its output is no longer kept", 300)}`);
    print(`  ${item.run_id ? `nightshift runs show ${item.run_id}` : item.job_id}`);
  }
  const more = next_cursor ? " The newest 100 are shown." : "";
  print(
    `${unread} unread.${more}${verb === "list" && unread > 0 ? " `nightshift inbox read` marks what it shows as read." : ""}`,
  );
}
