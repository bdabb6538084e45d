#!/usr/bin/env bash
# `make preview` where much is unusual at once: folders with spaces and other than plain letters, a copied results
# folder, threads that are to be bound to cores, the C locale, a foreign Snakemake profile, no home folder and,
# for root, a user without a name. Uses the packages of the environment that is there; tries what is committed.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
python=$checkout/.venv/bin/python
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

say() { printf '\n== %s\n' "$*"; }

# A clone with an environment of its own, whose packages are those of the checkout's.
clone() {
  git clone --quiet "$checkout" "$1"
  "$python" -m venv --without-pip "$1/.venv"
  packages=$("$1/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  { "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' && echo "$1"; } > "$packages/hostile.pth"
  # Else the checkout, which is installed there, would be imported: its finder comes with a file of this kind.
  echo "import sys; sys.path.insert(0, '$1')" > "$packages/a_hostile.pth"
  printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m snakemake "$@"\n' > "$1/.venv/bin/snakemake"
  chmod +x "$1/.venv/bin/snakemake"
  touch "$1/.venv/bin/.created" && touch "$1/.venv/bin/.installed"
}

place="$top/My Projects/ü; ~ it's 100%"
mkdir -p "$place" "$top/foreign profile"
printf 'executor: slurm\njobs: 7\ndefault-resources: [slurm_account=nobody]\n' > "$top/foreign profile/config.yaml"

as_somebody=()
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
  as_somebody=(setpriv --reuid 54321 --regid 54321 --clear-groups)
else
  say "Not root: tried as a user with a name"
fi

hostile() {
  "${as_somebody[@]}" env -i PATH="$PATH" HOME=/nonexistent LC_ALL=C OMP_PROC_BIND=close OMP_PLACES=cores \
    SNAKEMAKE_PROFILE="$top/foreign profile" "$@"
}

own() {
  chmod 755 "$top" && [ "${#as_somebody[@]}" = 0 ] || chown -R 54321:54321 "$top"
}

say "The preview in $place/pixelcnn"
clone "$place/pixelcnn" && own
hostile make -C "$place/pixelcnn" preview > "$top/preview.log" 2>&1 || { cat "$top/preview.log"; exit 1; }
tail -n 2 "$top/preview.log"
report=$(find "$place/pixelcnn/results" -name index.html)
grep -q "<html" "$report"
if grep -E "Traceback|not got everything" "$top/preview.log"; then exit 1; fi

say "The same again from a copy of its results"
clone "$place/copy" && cp -r "$place/pixelcnn/results/." "$place/copy/results" && own
hostile make -C "$place/copy" preview > "$top/copy.log" 2>&1 || { cat "$top/copy.log"; exit 1; }
grep -q "Nothing to be done" "$top/copy.log" || { cat "$top/copy.log"; exit 1; }
echo "Nothing to be done."
