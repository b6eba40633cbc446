import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { IN_THE_END_MS } from './proc.js';
import { tempFolder } from './temp.js';

/** As root it has no sandbox, and nothing of it looks for another host. */
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--disable-dev-shm-usage', '--hide-scrollbars', '--remote-debugging-pipe'],
];

interface Message {
  id?: number;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A tab of a headless Chromium, by the DevTools protocol over two pipes. It ends with its test. */
export class Tab {
  readonly #to: Writable;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #last = 0;
  #session: string | undefined;
  /** The browser has ended. */
  #ended = Promise.resolve();
  #isClosing = false;

  private constructor(to: Writable, from: Readable) {
    this.#to = to;
    let rest = '';
    from.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\0');
      rest = parts.pop()!;
      for (const part of parts) this.#received(JSON.parse(part) as Message);
    });
  }

  static async open(t: ExecutionContext): Promise<Tab> {
    const words = [...FLAGS, `--user-data-dir=${tempFolder(t)}`];
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] as const;
    const browser = spawn('chromium', words, { stdio: [...stdio] });
    const tab = new Tab(browser.stdio[3] as Writable, browser.stdio[4] as Readable);
    tab.#ended = new Promise<void>((resolve) => browser.once('close', () => resolve()));
    t.teardown(() => tab.close());
    const { targetId } = await tab.#send('Target.createTarget', { url: 'about:blank' });
    const attached = await tab.#send('Target.attachToTarget', { targetId, flatten: true });
    tab.#session = attached.sessionId as string;
    return tab;
  }

  /** Ends the browser, and with it all its connections: it keeps those that it does not use, too. */
  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      await Promise.race([this.#send('Browser.close'), this.#ended]);
    }
    await this.#ended;
  }

  async go(url: string): Promise<void> {
    await this.#send('Page.navigate', { url });
  }

  /** The value of an expression in the page. */
  async value(expression: string): Promise<unknown> {
    const { result } = await this.#send('Runtime.evaluate', { expression, returnByValue: true });
    return (result as { value?: unknown }).value;
  }

  /** Waits until an expression has a value; returns the last one that it had. */
  async until(expression: string, expected: unknown): Promise<unknown> {
    const end = performance.now() + IN_THE_END_MS;
    for (;;) {
      const found = await this.value(expression);
      if (found === expected || performance.now() > end) return found;
      await delay(50);
    }
  }

  async key(key: string): Promise<void> {
    await this.#send('Input.dispatchKeyEvent', { type: 'keyDown', key, code: key });
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key });
  }

  async look(width: number, height: number, colours: 'light' | 'dark'): Promise<void> {
    const size = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.#send('Emulation.setDeviceMetricsOverride', size);
    const features = [{ name: 'prefers-color-scheme', value: colours }];
    await this.#send('Emulation.setEmulatedMedia', { features });
  }

  async screenshot(path: string): Promise<void> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(path, Buffer.from(data as string, 'base64'));
  }

  #received(message: Message): void {
    if (message.id === undefined) return;
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }

  async #send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#last;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#to.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }
}
