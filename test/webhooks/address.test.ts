import { describe, expect, it } from "vitest";
import { isPublicAddress, urlProblem } from "../../src/webhooks/url.ts";

const PRIVATE = [
  ..."0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1".split(" "),
  ..."169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1".split(" "),
  ..."198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1".split(" "),
  ..."255.255.255.255 168.63.129.16".split(" "),
  ...":: ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1".split(" "),
  ..."64:ff9b:1::1 100::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 5f00::1".split(" "),
  ..."2001::1 2001:0:53aa:64c::1 2001:10::1 2001:db8::1 2002:7f00:1::1 3fff::1".split(" "),
  ..."fe80::1%eth0 2606:4700::1111%1 4000::1".split(" "),
];
const PUBLIC = [
  ..."1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1".split(" "),
  ..."169.253.1.1 172.15.255.255 172.32.0.0 192.0.1.1 192.167.1.1 192.169.0.1 198.17.1.1 198.20.0.1".split(
    " ",
  ),
  ..."223.255.255.255 2606:4700:4700::1111 2a00:1450:4001:80b::200e 2001:4860:4860::8888".split(" "),
];

describe("an IP address", () => {
  it.each(PRIVATE)("is not public: %s", (address) => expect(isPublicAddress(address)).toBe(false));
  it.each(PUBLIC)("is public: %s", (address) => expect(isPublicAddress(address)).toBe(true));
  it.each(["", "localhost", "127.1", "0x7f000001", "example.com", "1.1.1.1 ", "[::1]"])(
    "is no address, and so not public: %j",
    (text) => expect(isPublicAddress(text)).toBe(false),
  );
});

describe("a webhook's URL", () => {
  it.each([
    "https://example.com/hook",
    "https://example.com:8443/a?b=c",
    "https://1.1.1.1/",
    "https://[2606:4700:4700::1111]/",
    "https://localhost.example.com/",
  ])("may be %s", (url) => expect(urlProblem(url, { allowPrivate: false })).toBeUndefined());

  it.each([
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://①②⑦.0.0.1/",
    "https://127.0.0.1./",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[fd00::1]:8080/",
    "https://169.254.169.254/latest/meta-data/",
    "https://192.168.1.1/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://a.localhost/",
  ])("may be private where that is allowed, and only there: %s", (url) => {
    expect(urlProblem(url, { allowPrivate: false })).toMatch(
      /public address.*NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE/,
    );
    expect(urlProblem(url, { allowPrivate: true })).toBeUndefined();
  });

  it("may be plain http where private addresses are allowed, and only there", () => {
    expect(urlProblem("http://example.com/", { allowPrivate: false })).toMatch(/https:\/\//);
    expect(urlProblem("http://example.com/", { allowPrivate: true })).toBeUndefined();
  });

  it.each([
    "",
    "example.com",
    "/hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "unix:/run/docker.sock",
    "https://",
    "https://exa mple.com/",
    "https://[::1/",
    "https://300.1.1.1/",
    "https://user@example.com/",
    "https://user:secret-4711@example.com/",
    `https://example.com/${"a".repeat(2_000)}`,
  ])("is refused everywhere, and not repeated: %s", (url) => {
    for (const allowPrivate of [true, false]) {
      const problem = urlProblem(url, { allowPrivate });
      expect(problem).toMatch(/^A webhook/);
      expect(problem).not.toContain("4711");
    }
  });
});
