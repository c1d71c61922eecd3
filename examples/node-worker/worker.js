'use strict';
// A Pulse worker in one file, without packages: how readable is a text, and which words in it are rude?
//
//   pulse serve --worker-command 'node worker.js' readability=
//   curl localhost:8000/api/readability -H 'content-type: application/json' -d '{"text": "The cat sat on the mat."}'
//
// Everything about the wire is in docs/port-protocol.md. Three parts follow: the task, msgpack, the protocol. To serve
// something else, write another task.

const fs = require('node:fs');
const net = require('node:net');
const { once } = require('node:events');

// ---- The task -----------------------------------------------------------------------------------------------------

const MOST_CHARACTERS = 100_000;
const RUDE = ['bloody', 'crap', 'damn', 'hell', 'idiot', 'moron', 'stupid'];

/** An item that the task does not take. Anything else that `predict` throws means that the task failed on it. */
class InvalidInput extends Error {}

class Readability {
  static manifest = {
    version: '1.0',
    input_schema: {
      type: 'object',
      properties: { text: { type: 'string', minLength: 1, maxLength: MOST_CHARACTERS } },
      required: ['text'],
    },
    output_schema: {
      type: 'object',
      properties: {
        words: { type: 'integer' },
        sentences: { type: 'integer' },
        reading_ease: { type: 'number', description: 'easy from about 70 up, hard below 30' },
        rude: { type: 'array', items: { type: 'string' } },
      },
      required: ['words', 'sentences', 'reading_ease', 'rude'],
    },
    details: { runtime: `node ${process.versions.node}` },
  };

  /** Get ready. `target` is what stands after NAME= on the command line: a file with rude words, one a line. */
  async load(target, report) {
    report(0, 'reading words');
    const text = target ? await fs.promises.readFile(target, 'utf8') : RUDE.join('\n');
    this.rude = new Set(text.toLowerCase().split(/\s+/).filter(Boolean));
    report(1, `${this.rude.size} words`);
  }

  /** Answer one item. */
  predict(item) {
    const text = item instanceof Map ? item.get('text') : undefined;
    if (typeof text !== 'string') throw new InvalidInput('expected {"text": "..."}');
    if (text.length > MOST_CHARACTERS) throw new InvalidInput(`at most ${MOST_CHARACTERS} characters`);
    const words = text.toLowerCase().match(/[\p{L}\p{M}'’]*\p{L}[\p{L}\p{M}'’]*/gu) ?? [];
    if (words.length === 0) throw new InvalidInput('there is no word in the text');
    const sentences = Math.max(1, (text.match(/[.!?…]+(?=\s|$)/gu) ?? []).length);
    const syllables = words.reduce((sum, word) => sum + syllablesOf(word), 0);
    // The formula of R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32 (1948).
    const ease = 206.835 - 1.015 * (words.length / sentences) - 84.6 * (syllables / words.length);
    const rude = [...new Set(words.filter((word) => this.rude.has(word)))].sort();
    return { words: words.length, sentences, reading_ease: Math.round(ease * 10) / 10, rude };
  }
}

/** How many syllables an English word has, about: its groups of vowels, without a silent e at the end. */
function syllablesOf(word) {
  const groups = word.replace(/[^l]es?$|ed$/u, '').match(/[aeiouyäöüéè]+/gu);
  return Math.max(1, groups ? groups.length : 0);
}

// ---- msgpack ------------------------------------------------------------------------------------------------------
// Maps become `Map`, so that no key can mean more than itself; integers beyond 2^53 become BigInt; extensions `Ext`.

class Ext {
  constructor(type, body) {
    this.type = type;
    this.body = body;
  }
}

class Decoder {
  constructor(buffer) {
    this.buffer = buffer;
    this.at = 0;
  }

  /** Read the one value that the buffer holds. Throws where it holds none, or more than one. */
  static decode(buffer) {
    const decoder = new Decoder(buffer);
    const value = decoder.value();
    if (decoder.at !== buffer.length) throw new Error('there are bytes behind the value');
    return value;
  }

  value() {
    const head = this.uint(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 0x0f);
    if (head < 0xa0) return this.array(head & 0x0f);
    if (head < 0xc0) return this.text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.bytes(this.uint(1 << (head - 0xc4)));
      case 0xc7: case 0xc8: case 0xc9: return this.ext(this.uint(1 << (head - 0xc7)));
      case 0xca: return this.take(4).readFloatBE();
      case 0xcb: return this.take(8).readDoubleBE();
      case 0xcc: case 0xcd: case 0xce: return this.uint(1 << (head - 0xcc));
      case 0xcf: return integer(this.take(8).readBigUInt64BE());
      case 0xd0: case 0xd1: case 0xd2: return this.take(1 << (head - 0xd0)).readIntBE(0, 1 << (head - 0xd0));
      case 0xd3: return integer(this.take(8).readBigInt64BE());
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return this.ext(1 << (head - 0xd4));
      case 0xd9: case 0xda: case 0xdb: return this.text(this.uint(1 << (head - 0xd9)));
      case 0xdc: case 0xdd: return this.array(this.uint(2 << (head - 0xdc)));
      case 0xde: case 0xdf: return this.map(this.uint(2 << (head - 0xde)));
      default: throw new Error(`0x${head.toString(16)} begins no value`);
    }
  }

  take(size) {
    if (this.at + size > this.buffer.length) throw new Error('the value ends too early');
    this.at += size;
    return this.buffer.subarray(this.at - size, this.at);
  }

  uint(size) { return this.take(size).readUIntBE(0, size); }
  bytes(size) { return this.take(size); }
  text(size) { return UTF8.decode(this.take(size)); }
  ext(size) { return new Ext(this.take(1).readInt8(), this.take(size)); }

  // A length is only believed as far as there are bytes: nothing is allocated for it beforehand.
  array(size) {
    const items = [];
    for (let n = 0; n < size; n += 1) items.push(this.value());
    return items;
  }

  map(size) {
    const entries = new Map();
    for (let n = 0; n < size; n += 1) entries.set(this.value(), this.value());
    return entries;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function integer(big) {
  return Number.isSafeInteger(Number(big)) ? Number(big) : big;
}

/** Return a value as msgpack. Takes null, booleans, numbers, BigInt, strings, bytes, arrays, Maps and plain objects. */
function encode(value) {
  const parts = [];
  put(parts, value);
  return Buffer.concat(parts);
}

function put(parts, value) {
  if (value === null || value === undefined) parts.push(Buffer.of(0xc0));
  else if (typeof value === 'boolean') parts.push(Buffer.of(value ? 0xc3 : 0xc2));
  else if (typeof value === 'number') parts.push(Number.isSafeInteger(value) ? packInteger(value) : packFloat(value));
  else if (typeof value === 'bigint') parts.push(packBig(value));
  else if (typeof value === 'string') putSized(parts, Buffer.from(value), [0xa0, 32, 0xd9, 0xda, 0xdb]);
  else if (value instanceof Uint8Array) putSized(parts, value, [0, 0, 0xc4, 0xc5, 0xc6]);
  else if (value instanceof Ext) parts.push(packHead(value.body.length, [0, 0, 0xc7, 0xc8, 0xc9]), Buffer.of(value.type & 0xff), value.body);
  else if (Array.isArray(value)) {
    parts.push(packHead(value.length, [0x90, 16, null, 0xdc, 0xdd]));
    for (const item of value) put(parts, item);
  } else {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    parts.push(packHead(entries.length, [0x80, 16, null, 0xde, 0xdf]));
    for (const [key, item] of entries) {
      put(parts, key);
      put(parts, item);
    }
  }
}

function putSized(parts, bytes, heads) {
  parts.push(packHead(bytes.length, heads), bytes);
}

/** Return the head of a value with a length: `fix` for one below `most`, then with 1, 2 or 4 bytes of length. */
function packHead(size, [fix, most, one, two, four]) {
  if (size < most) return Buffer.of(fix | size);
  if (one !== null && size < 0x100) return Buffer.of(one, size);
  if (size < 0x10000) return Buffer.of(two, size >> 8, size & 0xff);
  const head = Buffer.of(four, 0, 0, 0, 0);
  head.writeUInt32BE(size, 1);
  return head;
}

function packInteger(value) {
  if (value >= 0 && value < 0x80) return Buffer.of(value);
  if (value < 0 && value >= -0x20) return Buffer.of(value & 0xff);
  return packBig(BigInt(value));
}

function packBig(value) {
  const packed = Buffer.alloc(9);
  packed[0] = value < 0n ? 0xd3 : 0xcf;
  if (value < 0n) packed.writeBigInt64BE(value, 1);
  else packed.writeBigUInt64BE(value, 1);
  return packed;
}

function packFloat(value) {
  const packed = Buffer.alloc(9);
  packed[0] = 0xcb;
  packed.writeDoubleBE(value, 1);
  return packed;
}

// ---- The protocol -------------------------------------------------------------------------------------------------

const PROTOCOL = 1;
const HELLO = 1, BATCH = 2, PING = 3, SHUTDOWN = 4;
const READY = 17, PROGRESS = 18, RESULT = 19, PONG = 20, FATAL = 21;
const MOST_TEXT = 500; // characters of an error

/** The reason for the end of this process, for the parent. */
class Ending extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

class Worker {
  constructor(socket, task) {
    this.socket = socket;
    this.task = task;
    this.bound = 1024 * 1024; // of HELLO, which brings the one for all that follows
    this.ready = false;
  }

  /** Serve until SHUTDOWN or the end of the stream; return the exit code. */
  async run() {
    try {
      for await (const body of this.bodies()) {
        const message = read(body);
        if (message[0] === SHUTDOWN && this.ready) return 0;
        await this.handle(message);
      }
      return 0; // the parent is gone
    } catch (error) {
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') return 0; // so it is here
      console.error(error);
      const code = error instanceof Ending ? error.code : error.name;
      this.socket.end(frameOf([FATAL, code, shorten(error.message)]));
      await once(this.socket, 'finish');
      return 1;
    }
  }

  /** Give the body of each frame, however the stream was cut. */
  async *bodies() {
    let chunks = [];
    let have = 0;
    // Without the option, leaving this loop by an error would close the socket before FATAL is out.
    for await (const chunk of this.socket.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk);
      have += chunk.length;
      while (have >= 4) {
        if (chunks[0].length < 4) chunks = [Buffer.concat(chunks)];
        const size = chunks[0].readUInt32BE();
        if (size > this.bound) throw new Ending('FrameTooLarge', `a frame of ${size} bytes is over ${this.bound}`);
        if (have < 4 + size) break;
        const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
        yield all.subarray(4, 4 + size);
        chunks = [all.subarray(4 + size)];
        have -= 4 + size;
      }
    }
    if (have > 0) throw new Ending('TruncatedStream', 'the stream ended in the middle of a frame');
  }

  async handle(message) {
    if (message[0] === HELLO && !this.ready) await this.load(message);
    else if (message[0] === BATCH && this.ready) await this.send(this.answer(message));
    else if (message[0] === PING && this.ready) await this.send(frameOf([PONG, message[1]]));
    else throw new Ending('BadFrame', `message ${message[0]} is not legal here`);
  }

  async load([, protocol, name, maxFrameBytes, task]) {
    if (protocol !== PROTOCOL) throw new Ending('VersionMismatch', `this worker speaks ${PROTOCOL}, not ${protocol}`);
    this.bound = maxFrameBytes;
    const report = (fraction, text) => this.send(frameOf([PROGRESS, fraction, shorten(text)]));
    try {
      await this.task.load(task ? task.get('target') : '', report);
    } catch (error) {
      throw new Ending('LoadFailed', error.message);
    }
    this.ready = true;
    await this.send(frameOf([READY, PROTOCOL, { name, ...this.task.constructor.manifest }]));
  }

  /** Return the frame of RESULT: an answer for each item, and an item that fails touches no other. */
  answer([, id, items]) {
    const began = process.hrtime.bigint();
    const answers = items.map(([item, value]) => this.answerOne(item, value));
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    const frame = frameOf([RESULT, id, answers, seconds, { items: answers.length }]);
    if (frame.length - 4 <= this.bound) return frame;
    // Each may go, but not all together: those over an even share become errors.
    const share = this.bound / (2 * answers.length) - 32;
    const fitting = answers.map((answer) => (encode(answer[2]).length <= share ? answer : [answer[0], 'model_error', '']));
    return frameOf([RESULT, id, fitting, seconds, {}]);
  }

  answerOne(item, value) {
    try {
      return [item, 'ok', this.task.predict(value)];
    } catch (error) {
      return [item, error instanceof InvalidInput ? 'invalid_input' : 'model_error', shorten(error.message)];
    }
  }

  async send(frame) {
    if (!this.socket.write(frame)) await once(this.socket, 'drain');
  }
}

function read(body) {
  try {
    const message = Decoder.decode(body);
    if (Array.isArray(message)) return message;
  } catch (error) {
    throw new Ending('BadFrame', error.message);
  }
  throw new Ending('BadFrame', 'a message is an array');
}

function frameOf(message) {
  const body = encode(message);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

function shorten(text) {
  return String(text).slice(0, MOST_TEXT);
}

async function main() {
  const [fd, parent] = process.argv.slice(-2).map(Number);
  if (process.ppid !== parent) return 0; // it ended before this process came up
  process.on('SIGINT', () => {}); // Ctrl-C is the parent's to handle
  return new Worker(new net.Socket({ fd }), new Readability()).run();
}

if (require.main === module) main().then((code) => process.exit(code));

module.exports = { Decoder, Ext, Readability, encode, frameOf };
