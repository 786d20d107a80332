/** Completion scripts for shells, made from the command tree: names of commands and options. */
import type { Command } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Place {
  /** The commands that lead here, `''` for the top. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly about: string }[];
}

export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program);
  const name = program.name();
  switch (shell) {
    case 'bash':
      return bashScript(name, places);
    case 'zsh':
      return zshScript(name, places);
    case 'fish':
      return fishScript(name, places);
  }
}

function placesOf(program: Command): Place[] {
  const places: Place[] = [];
  const visit = (command: Command, path: readonly string[]): void => {
    const commands = command.commands.map((each) => ({
      word: each.name(),
      about: firstLine(each.description()),
    }));
    const options = [
      ...command.options.map((option) => option.long ?? option.short ?? ''),
      '--help',
    ]
      .filter((word) => word !== '')
      .map((word) => ({
        word,
        about: firstLine(command.options.find((each) => each.long === word)?.description ?? 'help'),
      }));
    places.push({ path: path.join(' '), words: [...commands, ...options] });
    for (const each of command.commands) visit(each, [...path, each.name()]);
  };
  visit(program, []);
  return places;
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

function wordsOf(place: Place): string {
  return place.words.map(({ word }) => word).join(' ');
}

/** Joins the words before the cursor that are no options into a path, as deep as it is known. */
function bashScript(name: string, places: readonly Place[]): string {
  const cases = places.map((place) => `    "${place.path}") words="${wordsOf(place)}" ;;`);
  return [
    `# bash completion of ${name}; load it with: source <(${name} completion bash)`,
    `_${name}() {`,
    '  local cur="${COMP_WORDS[COMP_CWORD]}" path="" next words="" i',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    next="${path:+$path }${COMP_WORDS[i]}"',
    `    case "$next" in ${pathPattern(places)}) path="$next" ;; esac`,
    '  done',
    '  case "$path" in',
    ...cases,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    '  if [ "${#COMPREPLY[@]}" -eq 0 ]; then COMPREPLY=($(compgen -f -- "$cur")); fi',
    '}',
    `complete -o filenames -F _${name} ${name}`,
    '',
  ].join('\n');
}

function zshScript(name: string, places: readonly Place[]): string {
  const cases = places.map((place) => {
    const words = place.words.map(({ word, about }) => `'${word}:${quoted(about)}'`);
    return `    '${place.path}') found=(${words.join(' ')}) ;;`;
  });
  return [
    `#compdef ${name}`,
    `# zsh completion of ${name}; load it with: source <(${name} completion zsh)`,
    `_${name}() {`,
    '  local path_="" next i',
    '  local -a found',
    '  for ((i = 2; i < CURRENT; i++)); do',
    '    next="${path_:+$path_ }${words[i]}"',
    `    case "$next" in ${pathPattern(places)}) path_="$next" ;; esac`,
    '  done',
    '  case "$path_" in',
    ...cases,
    '  esac',
    '  _describe "command" found || _files',
    '}',
    `compdef _${name} ${name}`,
    '',
  ].join('\n');
}

function fishScript(name: string, places: readonly Place[]): string {
  const lines = places.flatMap((place) => {
    const path = place.path.split(' ').filter((word) => word !== '');
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const deeper = place.words.filter(({ word }) => !word.startsWith('-')).map(({ word }) => word);
    const notDeeper =
      deeper.length === 0 ? [] : [`not __fish_seen_subcommand_from ${deeper.join(' ')}`];
    const condition = [...seen, ...notDeeper].join('; and ');
    return place.words.map(({ word, about }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c ${name} -n "${condition}" ${what} -d '${quoted(about)}'`;
    });
  });
  return [`# fish completion of ${name}: ${name} completion fish | source`, ...lines, ''].join(
    '\n',
  );
}

function pathPattern(places: readonly Place[]): string {
  const paths = places.map((place) => place.path).filter((path) => path !== '');
  return paths.map((path) => `"${path}"`).join('|');
}

/** Inside single quotes of every shell here; a colon parts word and text in zsh. */
function quoted(text: string): string {
  return text.replace(/['`$\\]/g, '').replaceAll(':', ';');
}
