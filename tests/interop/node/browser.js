// What JsSIP and SIP.js expect of a browser and Node has not: a WebSocket, and a peer connection that carries no media.
const { WebSocket } = require("ws");

const SDP = [
  "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
  "m=audio 49170 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "",
].join("\r\n");

class SilentPeerConnection extends EventTarget {
  signalingState = "stable";
  iceGatheringState = "complete";
  iceConnectionState = "connected";
  localDescription = null;
  remoteDescription = null;
  async createOffer() { return { type: "offer", sdp: SDP }; }
  async createAnswer() { return { type: "answer", sdp: SDP }; }
  async setLocalDescription(description) { this.localDescription = description; }
  async setRemoteDescription(description) { this.remoteDescription = description; }
  getSenders() { return []; }
  close() { this.signalingState = "closed"; }
}

globalThis.window = globalThis;
globalThis.WebSocket = WebSocket;
globalThis.RTCPeerConnection = SilentPeerConnection;
globalThis.RTCSessionDescription = class { constructor(fields) { Object.assign(this, fields); } };

module.exports = { SDP };
