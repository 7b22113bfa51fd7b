// JsSIP: `node jssip.js SERVER call URI`, or `node jssip.js SERVER answer USER PASSWORD` to register for sip.test first.
require("./browser.js");
const JsSIP = require("jssip");

const [server, what, ...rest] = process.argv.slice(2);
const isCaller = what === "call";
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(server)],
  uri: `sip:${isCaller ? "alice" : rest[0]}@sip.test`,
  register: !isCaller,
  password: isCaller ? undefined : rest[1],
  session_timers: false,
});

function leave(code) {
  ua.stop();
  setTimeout(() => process.exit(code), 300);
}

ua.on("registered", () => console.log("registered"));
ua.on("registrationFailed", (event) => { console.log("not registered:", event.cause); leave(1); });
ua.on("connected", () => {
  console.log("connected");
  if (isCaller) ua.call(rest[0], { mediaConstraints: { audio: false, video: false } });
});
ua.on("newRTCSession", ({ originator, session }) => {
  session.on("confirmed", () => {
    console.log("confirmed");
    if (isCaller) setTimeout(() => session.terminate(), 200);
  });
  session.on("ended", ({ originator }) => { console.log("ended by", originator); leave(0); });
  session.on("failed", (event) => { console.log("failed:", event.cause); leave(1); });
  if (originator === "remote") session.answer({ mediaConstraints: { audio: false, video: false } });
});
ua.start();
setTimeout(() => { console.log("too slow"); process.exit(2); }, 15000);
