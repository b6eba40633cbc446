import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { refuse, SluiceError } from '../util/errors.js';

/** Keys of mappings and places in lists, from the top of the file to a value. */
export type Path = readonly (string | number)[];

/** A longer file is no configuration: the name is a mistake, such as that of an image. */
const CHARACTERS_MAX = 1 << 20;

/** What YAML calls the types of JSON. The library knows others, such as bytes and sets. */
const PLAIN_TAG = /^(!|tag:yaml\.org,2002:(str|int|float|bool|null|map|seq))$/;

/** A text in YAML 1.2, each value of which knows its line and column. */
export class ConfigText {
  /** The content of the file, as plain data. */
  readonly value: unknown;
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: ReturnType<typeof parseDocument>;

  /** @throws SluiceError EINVAL, EFBIG; exit code 2 */
  constructor(file: string, text: string) {
    this.#file = file;
    if (text.length > CHARACTERS_MAX) {
      throw refuse(`${file}: longer than a configuration may be, 1 MiB`, 'EFBIG');
    }
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const [fault] = [...this.#document.errors, ...this.#document.warnings];
    if (fault !== undefined) {
      // The library speaks to programmers there.
      const isSecond = fault.code === 'MULTIPLE_DOCS';
      const [line = ''] = (isSecond ? 'a second document begins here' : fault.message).split('\n');
      throw this.#at(fault.pos[0], line.charAt(0).toLowerCase() + line.slice(1));
    }
    visit(this.#document, {
      Node: (_, node) => {
        const { tag, range } = node as { tag?: string; range?: [number, ...number[]] };
        if (tag === undefined || PLAIN_TAG.test(tag)) return;
        throw this.#at(range?.[0] ?? 0, `the tag ${tag} is not known here`);
      },
      Alias: (_, alias) => {
        if (alias.resolve(this.#document) !== undefined) return;
        throw this.#at(alias.range![0], `*${alias.source}: there is no &${alias.source} before it`);
      },
    });
    try {
      this.value = this.#document.toJS();
    } catch (error) {
      // References that multiply.
      throw this.#at(0, (error as Error).message);
    }
  }

  /** The error for a value: the file, its line and column, its keys, and what is wrong. */
  refuse(path: Path, message: string, errno?: string): SluiceError {
    return this.#at(this.offset(path), [...path, message].join(': '), errno);
  }

  /** As `refuse`, at the key instead of its value. */
  refuseKey(path: Path, message: string): SluiceError {
    const above = path.slice(0, -1);
    return this.#at(this.#keyOffset(path), [...above, message].join(': '));
  }

  /** Runs `run` and puts the place of a value before the message of its error. */
  at<T>(path: Path, run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      const message = error.message.replace(/^--/, '');
      const key = path.at(-1);
      // Most messages begin with the key: `bps=10X: expected a number`.
      const isNamed = ['=', ': ', ' '].some((end) => message.startsWith(`${key}${end}`));
      const named = isNamed ? path.slice(0, -1) : path;
      throw this.#at(this.offset(path), [...named, message].join(': '), error.errno);
    }
  }

  /** A number or word as it is written: `0660` and `1.50` too. */
  written(path: Path): string {
    const node = this.#node(path);
    if (!isScalar(node)) return '';
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  /** The first character of a value; if the value is not written, that of the mapping or list that would have it. */
  offset(path: Path): number {
    for (let length = path.length; length > 0; length--) {
      const node = this.#own(path.slice(0, length));
      if (node?.range) return node.range[0];
    }
    return this.#document.contents?.range?.[0] ?? 0;
  }

  #keyOffset(path: Path): number {
    const map = this.#node(path.slice(0, -1));
    const key = isMap(map) ? map.items.find((pair) => isKey(pair.key, path.at(-1)!))?.key : null;
    return (key as Node | null | undefined)?.range?.[0] ?? this.offset(path);
  }

  #at(offset: number, message: string, errno?: string): SluiceError {
    const { line, col } = this.#lines.linePos(offset);
    return refuse(`${this.#file}:${Math.max(line, 1)}:${Math.max(col, 1)}: ${message}`, errno);
  }

  /** The value at a path, a reference followed. */
  #node(path: Path): unknown {
    const node = this.#own(path);
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  /** The value as it stands there. */
  #own(path: Path): Node | null | undefined {
    if (path.length === 0) return this.#document.contents;
    const above = this.#node(path.slice(0, -1));
    const last = path.at(-1)!;
    if (isSeq(above)) return above.items[Number(last)] as Node;
    if (!isMap(above)) return undefined;
    return above.items.find((pair) => isKey(pair.key, last))?.value as Node | undefined;
  }
}

/** A key may be written as a number. */
function isKey(key: unknown, name: string | number): boolean {
  return String(isScalar(key) ? key.value : key) === String(name);
}
