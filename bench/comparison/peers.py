# SPDX-License-Identifier: Apache-2.0
"""Brings mainline llama.cpp, whose tree lies inside the llama-cpp-python source package, and builds it and, from a
checkout, ik_llama.cpp; all in a cache folder outside the repository, once."""
import os
import shutil
import subprocess
import sys
import tarfile

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
OPTIONS = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF",
           "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF"]


def cache_folder():
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sluice-peers")


def say(text):
    print(text, file=sys.stderr, flush=True)


def tree_members(archive):
    """The files of vendor/llama.cpp in the package, with paths from there on; nothing that would leave the folder."""
    prefix = f"{PACKAGE.replace('-', '_')}-{VERSION}/vendor/llama.cpp/"
    for member in archive:
        if not member.name.startswith(prefix) or not (member.isfile() or member.isdir()):
            continue
        member.name = member.name[len(prefix):]
        if member.name and ".." not in member.name.split("/"):
            yield member


def fetch_llama(cache):
    """The folder with mainline's sources."""
    tree = os.path.join(cache, f"llama.cpp-{VERSION}")
    if os.path.isdir(tree):
        return tree
    download, part = os.path.join(cache, "download"), tree + ".part"
    for folder in (download, part):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    say(f"fetching {PACKAGE} {VERSION}")
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps",
                    "--no-binary", PACKAGE, "--dest", download, f"{PACKAGE}=={VERSION}"], check=True)
    [package] = os.listdir(download)
    with tarfile.open(os.path.join(download, package)) as archive:
        archive.extractall(part, members=tree_members(archive))
    os.rename(part, tree)
    shutil.rmtree(download)
    return tree


def build(source, folder, programs):
    """Builds `programs` and returns the folder they are in."""
    if all(os.path.exists(os.path.join(folder, "bin", p)) for p in programs):
        return os.path.join(folder, "bin")
    say(f"building {', '.join(programs)} of {source} (once, many minutes)")
    log = folder + ".log"
    jobs = str(len(os.sched_getaffinity(0)))
    with open(log, "w", encoding="utf-8") as out:
        for command in (["cmake", "-S", source, "-B", folder, *OPTIONS],
                        ["cmake", "--build", folder, "-j", jobs, "--target", *programs]):
            if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode != 0:
                raise SystemExit(f"bench/peers: building failed: {' '.join(command)}; see {log}")
    return os.path.join(folder, "bin")


def llama_bin(given):
    """Where mainline's programs are: `given`, or built here."""
    if given:
        return given
    cache = cache_folder()
    os.makedirs(cache, exist_ok=True)
    return build(fetch_llama(cache), os.path.join(cache, f"build-llama-{VERSION}"),
                 ["llama-bench", "llama-completion", "llama-batched-bench"])


def ik_bin(given, checkout):
    """Where the fork's programs are: `given`, built here from `checkout`, or nowhere (None)."""
    if given or not checkout:
        return given
    cache = cache_folder()
    os.makedirs(cache, exist_ok=True)
    return build(os.path.abspath(checkout), os.path.join(cache, "build-ik"),
                 ["llama-bench", "llama-cli", "llama-batched-bench"])
