// SIP.js: `node sipjs.js SERVER URI` calls, and hangs up a little later.
const { SDP } = require("./browser.js");
const { pathToFileURL } = require("node:url");

async function main(server, target) {
  const { Inviter, SessionState, UserAgent } = await import(pathToFileURL(require.resolve("sip.js")));
  const silent = {
    close() {},
    async getDescription() { return { body: SDP, contentType: "application/sdp" }; },
    hasDescription(type) { return type === "application/sdp"; },
    async setDescription() {},
    async holdModifier(description) { return description; },
    async rollbackDescription() {},
    sendDtmf() { return false; },
  };
  const ua = new UserAgent({
    uri: UserAgent.makeURI("sip:alice@sip.test"),
    transportOptions: { server },
    sessionDescriptionHandlerFactory: () => silent,
    logBuiltinEnabled: false,
  });
  await ua.start();
  console.log("connected");
  const inviter = new Inviter(ua, UserAgent.makeURI(target));
  inviter.stateChange.addListener(async (state) => {
    console.log(state);
    if (state === SessionState.Established) setTimeout(() => inviter.bye(), 200);
    if (state === SessionState.Terminated) {
      // It says so before the BYE is answered.
      setTimeout(async () => { await ua.stop(); process.exit(0); }, 300);
    }
  });
  await inviter.invite();
}

main(...process.argv.slice(2)).catch((error) => { console.log("failed:", error); process.exit(1); });
setTimeout(() => { console.log("too slow"); process.exit(2); }, 15000);
