// What a telephone's ear-piece hears, played in the browser: mu-law from the server as it comes, and a ring of our own.

let context = null;
const lines = new Map(); // key → { stop, gain, bell }

const EXPANDED = new Float32Array(256).map((_, octet) => {
  const bits = ~octet & 0xff; // ITU-T G.711
  const size = ((((bits & 15) << 3) + 132) << ((bits & 0x70) >> 4)) - 132;
  return (bits & 0x80 ? -size : size) / 32768;
});

const play = async (key, gain, stopped) => {
  const answer = await fetch(`telephones/${key}/line`, { signal: stopped });
  const reader = answer.body.getReader();
  let due = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const sound = context.createBuffer(1, value.length, 8000);
    sound.copyToChannel(Float32Array.from(value, (octet) => EXPANDED[octet]), 0);
    const source = new AudioBufferSourceNode(context, { buffer: sound });
    source.connect(gain);
    due = Math.max(due, context.currentTime + 0.15); // as much as the server gathers, and some more
    source.start(due);
    due += sound.duration;
  }
};

const bell = (gain) => {
  const low = new OscillatorNode(context, { frequency: 660 });
  const high = new OscillatorNode(context, { frequency: 880 });
  const beat = new GainNode(context, { gain: 0 });
  const now = context.currentTime;
  for (let second = 0; second < 60; second += 2) {
    beat.gain.setTargetAtTime(0.12, now + second, 0.02);
    beat.gain.setTargetAtTime(0, now + second + 0.9, 0.08);
  }
  for (const tone of [low, high]) tone.connect(beat).connect(gain), tone.start();
  return () => [low, high].forEach((tone) => tone.stop());
};

export const listen = {
  // Begins or ends listening at a telephone; says which.
  toggle(key) {
    const line = lines.get(key);
    if (line) {
      line.stop.abort();
      line.silence?.();
      line.gain.disconnect();
      lines.delete(key);
      return false;
    }
    context ??= new AudioContext();
    context.resume();
    const gain = new GainNode(context, { gain: 0.5 });
    gain.connect(context.destination);
    const stop = new AbortController();
    lines.set(key, { gain, stop, silence: null });
    play(key, gain, stop.signal).catch(() => {}); // ended by stop, or with the demo
    return true;
  },
  ring(key, rings) {
    const line = lines.get(key);
    if (!line || rings === Boolean(line.silence)) return;
    if (!rings) line.silence();
    line.silence = rings ? bell(line.gain) : null;
  },
};
