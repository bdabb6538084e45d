#!/usr/bin/env bash
# `make preview` where much is unusual at once: folders with spaces and other than plain letters, a copied results
# folder, threads that are to be bound to cores, the C locale, a foreign Snakemake profile, no home folder and,
# where the system has user namespaces, a user without a name. Uses the packages of the environment that is there;
# tries what is committed.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
python=$(cd "$checkout" && realpath --no-symlinks "${VENV:-.venv}")/bin/python
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

say() { printf '\n== %s\n' "$*"; }

# A clone with an environment of its own, whose packages are those of the checkout's.
clone() {
  git clone --quiet "$checkout" "$1"
  "$python" -m venv --without-pip "$1/.venv"
  packages=$("$1/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$packages/hostile.pth"
  # The clone before the checkout, which is installed there. As pip does it, for Python reads a path here as ASCII.
  printf 'import sys\nsys.path.insert(0, """%s""")\n' "$1" > "$packages/hostile_clone.py"
  echo "import hostile_clone" > "$packages/a_hostile.pth"
  printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m snakemake "$@"\n' > "$1/.venv/bin/snakemake"
  chmod +x "$1/.venv/bin/snakemake"
  touch "$1/.venv/bin/.created" && touch "$1/.venv/bin/.installed"
}

place="$top/My Projects/ü; ~ it's 100%"
mkdir -p "$place" "$top/foreign profile"
printf 'executor: slurm\njobs: 7\ndefault-resources: [slurm_account=nobody]\n' > "$top/foreign profile/config.yaml"

as_nobody=(unshare --user --map-user=54321 --map-group=54321)
if ! "${as_nobody[@]}" true 2> /dev/null; then
  as_nobody=()
  say "No user namespaces here: tried as a user with a name"
fi

hostile() {
  "${as_nobody[@]}" env -i PATH="$PATH" HOME=/proc/nobody LC_ALL=C OMP_PROC_BIND=close OMP_PLACES=cores \
    SNAKEMAKE_PROFILE="$top/foreign profile" "$@"
}

say "The preview in $place/pixelcnn"
clone "$place/pixelcnn"
hostile make -C "$place/pixelcnn" preview > "$top/preview.log" 2>&1 || { cat "$top/preview.log"; exit 1; }
tail -n 2 "$top/preview.log"
grep -q "<html" "$place/pixelcnn/results/preview/report/index.html"
if grep -E "Traceback|not got everything" "$top/preview.log"; then exit 1; fi

say "The same again from a copy of its results"
clone "$place/copy" && cp -r "$place/pixelcnn/results/." "$place/copy/results"
hostile make -C "$place/copy" preview > "$top/copy.log" 2>&1 || { cat "$top/copy.log"; exit 1; }
grep -q "Nothing to be done" "$top/copy.log" || { cat "$top/copy.log"; exit 1; }
echo "Nothing to be done."

say "And with several runs in a job"
sed 's/^seeds:.*/seeds: [0, 1, 2]\njobs: {runs_per_job: 5}/' "$place/copy/configs/preview.yaml" > "$place/copy/packed.yaml"
hostile make -C "$place/copy" report CONFIG=packed.yaml > "$top/packed.log" 2>&1 || { cat "$top/packed.log"; exit 1; }
test "$(find "$place/copy/results/preview" -name metrics.json | wc -l)" = 9
grep -q "already trained" -r "$place/copy/results/preview/logs/train" && { echo "A run was done again."; exit 1; }
echo "Three runs more, and no other done again."
