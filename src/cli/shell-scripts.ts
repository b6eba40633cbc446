/** Scripts that have a shell ask `sluice completion SHELL -- WORDS...` what may come next. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/**
 * bash cuts words at `=` and `:`, so it hands over the line as it was typed, and the piece that it would replace.
 * Without an answer it completes names of files.
 */
const BASH = `# Completion of sluice for bash.
_sluice() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$word")
    [[ $word == *= ]] && compopt -o nospace
  done < <(sluice completion bash -- "${'$'}{COMP_WORDS[COMP_CWORD]}" "${'$'}{COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -o default -F _sluice sluice
`;

const ZSH = String.raw`#compdef sluice
# Completion of sluice for zsh.
_sluice() {
  local word about
  local -a whole begun
  while IFS=$'\t' read -r word about; do
    if [[ $word == *= ]]; then
      begun+=("${'$'}{word//:/\\:}:$about")
    else
      whole+=("${'$'}{word//:/\\:}:$about")
    fi
  done < <(sluice completion zsh -- "${'$'}{(@Q)words[2,CURRENT]}" 2>/dev/null)
  if (( $#whole + $#begun == 0 )); then
    _files
  else
    (( $#whole )) && _describe sluice whole
    (( $#begun )) && _describe sluice begun -S ''
  fi
}
if [[ $funcstack[1] == _sluice ]]; then _sluice "$@"; else compdef _sluice sluice; fi
`;

const FISH = String.raw`# Completion of sluice for fish.
function __sluice_complete
    set -l words (commandline -opc)
    set -l found (sluice completion fish -- $words[2..] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c sluice -f -a '(__sluice_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export function scriptFor(shell: Shell): string {
  return SCRIPTS[shell];
}
