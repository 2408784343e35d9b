import { posix, win32 } from "node:path";
import { NightshiftError } from "../../errors.ts";

/** What the system starts when the user logs in. */
export interface ServiceCommand {
  /** The program and its arguments, as they reach it. */
  readonly argv: readonly string[];
  /** The file that gets what the program logs, where the system keeps no log of its own. */
  readonly logFile: string;
}

/** One system's way to start a program at login. */
export interface ServiceManager {
  readonly name: string;
  /** The file that defines the service. */
  fileIn(home: string, variable: (name: string) => string | undefined): string;
  /** The text of that file. Throws CONFIG_INVALID for arguments that it cannot hold. */
  define(command: ServiceCommand): string | Uint8Array;
  /** Commands that take the file into use and start the service, also when an older one runs. */
  start(file: string): readonly Step[];
  stop(file: string): readonly Step[];
  /** Prints the end of the log. */
  log(logFile: string): readonly string[];
}

export interface Step {
  readonly argv: readonly string[];
  /** Its failure changes nothing: what it stops may not be there. */
  readonly mayFail?: boolean;
  /** How often it is tried, half a second apart; default once. */
  readonly tries?: number;
}

const LABEL = "org.nightshift.serve";
const TASK = "Nightshift";
const DESCRIPTION = "Nightshift: runs scheduled prompts and serves MCP";

/** Characters that would begin another line or end a file, wherever they stand. */
function assertPlain({ argv, logFile }: ServiceCommand, alsoNot = ""): void {
  const bad = [...argv, logFile].find(
    (arg) => /\p{Cc}/u.test(arg) || [...alsoNot].some((one) => arg.includes(one)),
  );
  if (bad === undefined) return;
  throw new NightshiftError(
    "CONFIG_INVALID",
    `A service cannot be given an argument with a control character${alsoNot && ` or one of ${alsoNot}`}.`,
  );
}

const systemctl = (...args: string[]): Step => ({ argv: ["systemctl", "--user", ...args] });

const systemd: ServiceManager = {
  name: "systemd user unit",
  fileIn: (home, variable) =>
    posix.join(variable("XDG_CONFIG_HOME") || posix.join(home, ".config"), "systemd/user/nightshift.service"),
  define(command) {
    assertPlain(command);
    const quote = (arg: string) =>
      `"${arg
        .replaceAll("\\", "\\\\")
        .replaceAll('"', '\\"')
        .replaceAll("%", "%%")
        .replaceAll("$", () => "$$")}"`;
    return `[Unit]
Description=${DESCRIPTION}

[Service]
ExecStart=${command.argv.map(quote).join(" ")}
Restart=on-failure
RestartSec=5
TimeoutStopSec=60
UMask=0077
NoNewPrivileges=yes

[Install]
WantedBy=default.target
`;
  },
  start: () => [
    systemctl("daemon-reload"),
    systemctl("enable", "nightshift"),
    systemctl("restart", "nightshift"),
  ],
  stop: () => [systemctl("disable", "--now", "nightshift")],
  log: () => [
    "journalctl",
    "--user",
    "--unit",
    "nightshift",
    "--lines",
    "100",
    "--no-pager",
    "--output",
    "cat",
  ],
};

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const domain = (): string => `gui/${process.getuid?.() ?? 0}`;

const launchd: ServiceManager = {
  name: "launchd agent",
  fileIn: (home) => posix.join(home, "Library/LaunchAgents", `${LABEL}.plist`),
  define(command) {
    assertPlain(command);
    const strings = command.argv.map((arg) => `    <string>${escapeXml(arg)}</string>`).join("\n");
    const log = escapeXml(command.logFile);
    return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${strings}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ExitTimeOut</key>
  <integer>60</integer>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardOutPath</key>
  <string>${log}</string>
  <key>StandardErrorPath</key>
  <string>${log}</string>
</dict>
</plist>
`;
  },
  start: (file) => [
    { argv: ["launchctl", "bootout", `${domain()}/${LABEL}`], mayFail: true },
    // Refused until the older one has ended.
    { argv: ["launchctl", "bootstrap", domain(), file], tries: 20 },
  ],
  stop: () => [{ argv: ["launchctl", "bootout", `${domain()}/${LABEL}`], mayFail: true }],
  log: (logFile) => ["tail", "-n", "100", logFile],
};

const windowsTask: ServiceManager = {
  name: "Windows task",
  fileIn: (home) => win32.join(home, "AppData", "Local", "Nightshift", "task.xml"),
  define(command) {
    // cmd.exe expands % within quotes too, and a quote would end the argument.
    assertPlain(command, '"%');
    const line = `${command.argv.map((arg) => `"${arg}"`).join(" ")} >> "${command.logFile}" 2>&1`;
    const text = `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>${DESCRIPTION}</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>10</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>conhost.exe</Command>
      <Arguments>${escapeXml(`--headless cmd.exe /d /s /c "${line}"`)}</Arguments>
    </Exec>
  </Actions>
</Task>
`;
    return Buffer.from(`\ufeff${text.replaceAll("\n", "\r\n")}`, "utf16le");
  },
  start: (file) => [
    { argv: ["schtasks", "/end", "/tn", TASK], mayFail: true },
    { argv: ["schtasks", "/create", "/f", "/tn", TASK, "/xml", file] },
    { argv: ["schtasks", "/run", "/tn", TASK] },
  ],
  stop: () => [
    { argv: ["schtasks", "/end", "/tn", TASK], mayFail: true },
    { argv: ["schtasks", "/delete", "/f", "/tn", TASK] },
  ],
  log: (logFile) => [
    "powershell",
    "-NoProfile",
    "-Command",
    "Get-Content",
    "-Tail",
    "100",
    "-LiteralPath",
    logFile,
  ],
};

const MANAGERS: Partial<Record<NodeJS.Platform, ServiceManager>> = {
  linux: systemd,
  darwin: launchd,
  win32: windowsTask,
};

/** The service manager of a system. Throws CONFIG_INVALID where there is none that Nightshift knows. */
export function managerOf(platform: NodeJS.Platform): ServiceManager {
  const found = MANAGERS[platform];
  if (found) return found;
  throw new NightshiftError(
    "CONFIG_INVALID",
    `Nightshift knows no service manager for ${platform}; start \`nightshift serve\` with that system's own.`,
  );
}
