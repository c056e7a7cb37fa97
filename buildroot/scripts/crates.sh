#!/bin/sh
# Prints a CycloneDX list of the crates that the box is built of on its boards: name, version, licence, checksum.
set -eu

cd "$(dirname "$0")/../.."
cargo metadata --locked --offline --format-version 1 --filter-platform aarch64-unknown-linux-gnu | python3 -c '
import json, sys, tomllib

metadata = json.load(sys.stdin)
with open("Cargo.lock", "rb") as lock:
    sums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(lock)["package"]}
used, wait = set(), [metadata["resolve"]["root"]]
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
while wait:
    node = wait.pop()
    if node not in used:
        used.add(node)
        # Development dependencies are not in the binary.
        wait += [d["pkg"] for d in nodes[node]["deps"] if any(k["kind"] != "dev" for k in d["dep_kinds"])]
parts = []
for package in sorted(metadata["packages"], key=lambda p: (p["name"], p["version"])):
    if package["id"] not in used or package["id"] == metadata["resolve"]["root"]:
        continue
    name, version = package["name"], package["version"]
    part = {"type": "library", "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
    if package.get("license"):
        part["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if sums.get((name, version)):
        part["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
    parts.append(part)
json.dump({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": parts}, sys.stdout, indent=1)
print()
'
