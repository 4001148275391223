#!/usr/bin/env bash
# Builds the image's stages in a Debian 13 made by debootstrap, and works with them: TFX's
# own wheels load with nothing in their place, and a tiny shop runs from end to end.
#
#   tests/native_wheels.sh FOLDER [PYTHON]
#
# Needs root, debootstrap, overlayfs, the package registries and some 10 GB in FOLDER. A
# Debian and an environment that are in FOLDER already are taken as they are. PYTHON: one
# that has the project's environment. What was found is written to FOLDER/facts.txt, a
# line `name=value` each.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
python=${2:-$checkout/.venv/bin/python}
roots=$folder/roots
facts=$folder/facts.txt
: > "$facts"

fact() { printf '%s=%s\n' "$1" "$2" | tee -a "$facts" >&2; }
in_image() { "$python" "$checkout/tests/image_root.py" run cpu --roots "$roots" "$@"; }
seconds() { # name, command...
  local name=$1 begun=$SECONDS
  shift
  "$@"
  fact "seconds.$name" $((SECONDS - begun))
}

if ! test -e "$folder/debian.done"; then
  rm -rf "$folder/debian"
  seconds debootstrap debootstrap --variant=minbase trixie "$folder/debian" \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" > "$folder/debootstrap.log"
  touch "$folder/debian.done"
fi
# Environments are kept while what they are made of is the same, the product never.
inputs=$(cat "$checkout/Dockerfile" "$checkout"/docker/requirements*.txt | sha256sum)
if test "$inputs" != "$(cat "$folder/inputs" 2> /dev/null)"; then rm -rf "$roots"; fi
printf '%s\n' "$inputs" > "$folder/inputs"
rm -rf "$roots"/product* "$roots"/cpu* "$roots"/plain*
seconds build "$python" "$checkout/tests/image_root.py" build cpu \
  --debian "$folder/debian" --roots "$roots"

# What is in it.
fact debian "$(cat "$folder/debian/etc/debian_version")"
in_image --entrypoint python -- - <<'PYTHON' | tee -a "$facts"
import importlib.metadata, os, pathlib, platform, shutil, sysconfig
print("python=" + platform.python_version())
print("glibc=" + platform.libc_ver()[1])
print("user=" + str(os.getuid()))
tools = ("cc", "gcc", "g++", "c++", "clang", "ld", "as", "make", "pip", "uv")
print("compilers=" + ",".join(t for t in tools if shutil.which(t)))
for name in ("tfx", "tensorflow", "keras", "ml-metadata", "tensorflow-data-validation",
             "tfx-bsl", "tensorflow-transform", "tensorflow-model-analysis",
             "apache-beam", "kfp", "pyfarmhash", "clickwright"):
    found = importlib.metadata.distribution(name)
    print(f"version.{name}={found.version}")
    tags = [line.removeprefix("Tag: ") for line in found.read_text("WHEEL").splitlines()
            if line.startswith("Tag: ")]
    print(f"wheel.{name}={' '.join(tags)}")
site = pathlib.Path(sysconfig.get_path("purelib"))
print("size_mb=" + str(sum(p.stat().st_size for p in site.rglob("*")
                           if p.is_file() and not p.is_symlink()) // 2**20))
PYTHON

# What it does: the shop, and again from the cache.
in_image -- doctor
in_image --entrypoint sh -- -c 'cat > marketplace.yaml' <<'YAML'
name: marketplace
data: {dataset: marketplace, options: {impressions: 20000}}
model: {name: deepfm}
training: {epochs: 4, batch_size: 256, learning_rate: 0.01}
evaluation: {thresholds: {auc: {min: 0.52, max_drop: 0.3}}}
YAML
seconds run in_image -- run -c marketplace.yaml --out out --json > "$folder/summary.json"
seconds again in_image -- run -c marketplace.yaml --out out
# Anybody may use it, whoever the cluster says they are.
scratch=/tmp
seconds anybody in_image --user 12345:12345 -- run -c marketplace.yaml --out "${scratch}/out"

# The same pipeline as compiled for Kubeflow: each task in a process of its own.
in_image --entrypoint sh -- -c 'cat marketplace.yaml - > remote.yaml' <<'YAML'
publish: {directory: gs://bucket/serving}
remote:
  image: registry.example/clickwright:0.1.0
  pipeline_root: gs://bucket/pipelines
  kubeflow: {endpoint: "http://localhost:8080"}
YAML
seconds compile in_image -- compile --target kubeflow -c remote.yaml -o spec/shop.json
seconds replay in_image -- replay spec/shop.json --root replayed
in_image --entrypoint python -- - <<'PYTHON' | tee -a "$facts"
import pathlib
from clickwright.components.evaluation.result import read_evaluation
from clickwright.pipeline.remote.replay.history import History
history = History(pathlib.Path("replayed"))
run = history.last_run()
(found,) = history.latest(run.id, "ModelEvaluator").artifacts["evaluation"]
evaluation = read_evaluation(found["uri"].replace("gs://", "replayed/gcs/"))
print("replayed.state=" + run.state)
print("replayed.auc=" + repr(evaluation.splits["test"].overall["auc"]))
PYTHON

# TFX alone, as its authors declare it, without the lock, overrides or our pins.
"$python" "$checkout/tests/image_root.py" derive plain --from environment --roots "$roots"
plain() {
  "$python" "$checkout/tests/image_root.py" run plain --roots "$roots" \
    --entrypoint /bin/sh -- -euc "$1"
}
# A compiler for the one package that has no wheels.
seconds plain plain '
  apt-get update -qq
  apt-get install -qq --yes --no-install-recommends g++ python3-dev > /dev/null
  cd /
  /opt/uv/bin/uv venv --quiet --clear --python /usr/bin/python3 /opt/plain
  /opt/uv/bin/uv pip install --quiet --python /opt/plain/bin/python tfx==1.21.0
  /opt/uv/bin/uv pip check --python /opt/plain/bin/python
  /opt/plain/bin/python -c "
import ml_metadata, tensorflow_data_validation, tfx.v1"'
fact plain "$(plain '/opt/uv/bin/uv pip freeze --quiet --python /opt/plain/bin/python \
  | grep -E "^(tfx|ml-metadata|tensorflow-data-validation|pyfarmhash)==" | tr "\n" " "')"
