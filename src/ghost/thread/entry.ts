import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { config } from "zod";
import { openBrokerClient } from "./port.ts";
import { runSession } from "./session.ts";

/*
 * The entry of a ghost's thread. The thread is loaded ahead of need and waits, serves one run, and is ended by the main
 * side. It has no store, no key and no log: neither this file nor anything that it loads may import those modules.
 */

// Only our own port is used. What a job's code posts to the parent's port goes nowhere: Bree would end the thread on
// a 'done' there.
parentPort?.close();
const { port } = workerData as { port: MessagePort };
Reflect.deleteProperty(workerData, "port");

// Each schema is used only a few times here, so compiling it, as zod does by default, would cost more than it saves.
config({ jitless: true });

const client = openBrokerClient(port);
client.send({ type: "ready" });
client.send(await runSession(await client.started, client));
client.close();
