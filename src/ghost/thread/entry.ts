import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { config } from "zod";
import { openBrokerClient } from "./port.ts";
import { runSession } from "./session.ts";

/*
 * Where a ghost's thread begins. It is loaded ahead of need and waits; it serves one run and is ended by the main
 * side. Nothing here can reach a store, a key or a log: those modules must never be imported below this file.
 */

// From here on only the port of our own speaks for this thread: what a job's code posts to the parent's port
// (Bree takes 'done' there as an order) goes nowhere.
parentPort?.close();
const { port } = workerData as { port: MessagePort };
Reflect.deleteProperty(workerData, "port");

// Each schema is used a few times here: compiling it, as zod does otherwise, would cost more than it saves.
config({ jitless: true });

const client = openBrokerClient(port);
client.send({ type: "ready" });
client.send(await runSession(await client.started, client));
client.close();
