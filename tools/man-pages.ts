import { readFileSync } from 'node:fs';
import { COMMANDS } from '../src/cli/commands.js';
import { configSchema, type Schema } from '../src/cli/config-schema.js';
import { type Command, helpOfOption, type Option } from '../src/cli/declaration.js';
import { formatPage, list, literal, type Page, prose, section, word } from './man-pages/mdoc.js';

/**
 * The manual pages, of the data of `--help`, of the schema of configuration files and of the tables of docs/manual.md.
 * tools/bundle.ts writes them to dist/man.
 */

const EVERYWHERE: Readonly<Record<string, Option>> = {
  help: { type: 'boolean', describe: 'print the options of a command' },
  version: { type: 'boolean', describe: 'print the version' },
  verbose: { type: 'boolean', describe: 'print the stack of an error' },
};

/** The pages by their file names, such as `sluice.1`. */
export async function manPages(): Promise<Map<string, string>> {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const date = dateOf(version, readFileSync('CHANGELOG.md', 'utf8'));
  const manual = readFileSync('docs/manual.md', 'utf8');
  const commands = await Promise.all(COMMANDS.map(commandPage));
  const pages = [programPage(manual), ...commands, configPage(manual), helperPage(manual)];
  return new Map(
    pages.map((page) => [`${page.name}.${page.part}`, formatPage(page, version, date)]),
  );
}

/** When a version was released, from the changelog: `## 0.2.0 (2026-11-30)`. */
function dateOf(version: string, changelog: string): string {
  const heading = new RegExp(
    `^## ${version.replaceAll('.', '\\.')} \\((\\d{4}-\\d\\d-\\d\\d)\\)$`,
    'm',
  );
  const date = heading.exec(changelog)?.[1];
  if (date === undefined) throw new Error(`CHANGELOG.md: there is no "## ${version} (DATE)"`);
  const format = { year: 'numeric', month: 'long', day: 'numeric', timeZone: 'UTC' } as const;
  return new Date(date).toLocaleDateString('en-US', format);
}

function optionItem([name, option]: [string, Option]): [string, string] {
  const { value, text } = helpOfOption(option);
  const head = `Fl ${name.length === 1 ? name : `-${name}`}`;
  const body = option.repeatable ? `${text} (repeatable)` : text;
  return [value === null ? head : `${head} Ar ${word(value)}`, prose(body)];
}

function optionList(options: Readonly<Record<string, Option>>): string[] {
  return list(Object.entries(options).map(optionItem));
}

/** A line of a synopsis begins with the name of the program. */
function synopsis(usage: string): string {
  const lines = usage.split('\n').map((line) => {
    const [, command, rest] = /^\s*sluice (\S+) ?(.*)$/.exec(line) ?? [];
    return ['.Nm sluice', `.Cm ${command}`, ...(rest ? [prose(rest)] : [])].join('\n');
  });
  return section('SYNOPSIS', ...lines);
}

async function commandPage({ name, describe, load }: Command): Promise<Page> {
  const { usage, operands, options, examples } = (await load()).declaration;
  const [lines = '', ...about] = usage.split('\n\n');
  const items = Object.entries(operands).map(([operand, text]) => {
    return [`Ar ${operand.toUpperCase()}`, prose(text)] as const;
  });
  const shown = examples.map(([line, text]) => `# ${text}\n${line}`);
  return {
    name: `sluice-${name}`,
    part: 1,
    about: describe,
    sections: [
      synopsis(lines),
      section('DESCRIPTION', ...about.map(prose), ...list(items)),
      section(
        'OPTIONS',
        ...optionList(options),
        prose(
          'A flag has an opposite: --no- before its name. --help lists the options, and --verbose prints the stack of an error.',
        ),
      ),
      section('EXIT STATUS', 'See', '.Xr sluice 1 .'),
      section('EXAMPLES', literal(shown.join('\n'))),
      section('SEE ALSO', '.Xr sluice 1 ,', '.Xr sluice.yaml 5'),
    ],
  };
}

function programPage(manual: string): Page {
  const commands = COMMANDS.map(({ name, synopsis, describe }) => {
    return [
      `Nm sluice Cm ${word(synopsis)}`,
      `${prose(describe)};\nsee\n.Xr sluice-${name} 1`,
    ] as const;
  });
  return {
    name: 'sluice',
    part: 1,
    about: 'mount disk images as plain files, under limits and weights',
    sections: [
      section(
        'SYNOPSIS',
        '.Nm sluice',
        prose('COMMAND [WORD...] [options]'),
        '.Nm sluice',
        prose('--help | --version'),
      ),
      section(
        'DESCRIPTION',
        prose(
          'Sluice mounts disk images as plain files, and divides the disk among their users by exact limits and by weights. Both can be changed while it runs.',
        ),
      ),
      section('COMMANDS', ...list(commands)),
      section('OPTIONS', 'Every command has these:', ...optionList(EVERYWHERE)),
      section(
        'EXIT STATUS',
        ...list(tableOf(manual, 'Exit codes').map(([code, text]) => [`${code}`, prose(text!)])),
      ),
      section('EXAMPLES', literal(blockOf(manual, '# Manual'))),
      section(
        'SEE ALSO',
        ...COMMANDS.map(({ name }) => `.Xr sluice-${name} 1 ,`).sort(),
        '.Xr sluice.yaml 5 ,',
        '.Xr mount.fuse.sluice 8',
      ),
    ],
  };
}

/** The keys of a part of the schema, and those of the parts in it. */
function keysOf({ properties = {} }: Schema, above: string): [string, string][] {
  return Object.entries(properties as Record<string, Schema>).flatMap(([key, part]) => {
    const path = `${above}${key}`;
    const { additionalProperties: each, description } = part;
    const own: [string, string][] =
      description === undefined ? [] : [[`Cm ${word(path)}`, prose(String(description))]];
    const more = typeof each === 'object' ? keysOf(each as Schema, `${path}.NAME.`) : [];
    return [...own, ...keysOf(part, `${path}.`), ...more];
  });
}

function configPage(manual: string): Page {
  return {
    name: 'sluice.yaml',
    part: 5,
    about: 'configuration file of a mount of Sluice',
    sections: [
      section(
        'DESCRIPTION',
        prose(
          'A configuration file says what the command line of sluice mount can say, in YAML. --config FILE reads it, and so does the unit sluice@NAME.service, from /etc/sluice/NAME.yaml. sluice config check FILE finds its mistakes, and sluice reload MOUNTPOINT makes what has changed in it. Paths start from the folder of the file. All keys may be missing:',
        ),
        ...list(keysOf(configSchema(), '')),
      ),
      section('EXAMPLES', literal(/```yaml\n(.*?)\n```/s.exec(manual)![1]!)),
      section('SEE ALSO', '.Xr sluice-config 1 ,', '.Xr sluice-mount 1 ,', '.Xr sluice-set 1'),
    ],
  };
}

function helperPage(manual: string): Page {
  return {
    name: 'mount.fuse.sluice',
    part: 8,
    about: 'mount disk images by /etc/fstab',
    sections: [
      section('SYNOPSIS', '.Nm', prose('IMAGE MOUNTPOINT [-sfnv] [-o OPTION,...]')),
      section(
        'DESCRIPTION',
        ...['.Xr mount 8', 'calls this program for the type fuse.sluice.'],
        prose(
          'IMAGE is an image, as on the command line of sluice mount, or none: then the images are those of the configuration file, if there is one.',
        ),
      ),
      section(
        'OPTIONS',
        prose(
          'Options are those of sluice mount without their dashes, image=[NAME=]IMAGE for each further image, and the words of its -o. A comma in a value needs quotes around the value, or a backslash before the comma.',
        ),
      ),
      section('EXIT STATUS', prose('0: mounted. 1: wrong usage. 32: the mount failed.')),
      section(
        'EXAMPLES',
        'Lines of',
        '.Pa /etc/fstab :',
        literal(blockOf(manual, '## In /etc/fstab')),
      ),
      section(
        'SEE ALSO',
        '.Xr sluice-mount 1 ,',
        '.Xr fstab 5 ,',
        '.Xr sluice.yaml 5 ,',
        '.Xr mount 8',
      ),
    ],
  };
}

function partOf(manual: string, heading: string): string {
  const begin = manual.indexOf(`${heading}\n`);
  if (begin < 0) throw new Error(`docs/manual.md: there is no "${heading}"`);
  return manual.slice(begin + heading.length);
}

/** The first block of commands below a heading of the manual. */
function blockOf(manual: string, heading: string): string {
  const [, block = ''] = /\n\n((?: {4}[^\n]*\n)+)/.exec(partOf(manual, heading)) ?? [];
  return block.trimEnd().replaceAll(/^ {4}/gm, '');
}

/** The rows of the first table below a heading of the manual, as plain words. */
function tableOf(manual: string, heading: string): string[][] {
  const [, table = ''] = /\| --- .*\n((?:\|.*\n)+)/.exec(partOf(manual, `## ${heading}`)) ?? [];
  return table
    .trimEnd()
    .split('\n')
    .map((row) => row.slice(2, -2).replaceAll('`', '').split(' | '));
}
