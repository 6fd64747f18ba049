# A Python that has started already: it loads what servers load, says "ready", and waits. What it is told then it becomes: another
# user, another environment, another program. The agent starts it (service/warm), and changes its root before it tells it anything.
import asyncio, base64, collections, concurrent.futures, contextlib, copy, dataclasses, datetime, email.message, email.parser
import email.utils, enum, functools, hashlib, hmac, html, http.client, http.cookies, http.server, importlib.machinery, inspect
import io, itertools, json, logging, mimetypes, os, pathlib, queue, random, re, secrets, select, selectors, shutil, signal, site
import socket, socketserver, ssl, stat, string, struct, subprocess, sys, tempfile, threading, time, traceback, types, typing
import urllib.error, urllib.parse, urllib.request, uuid, warnings


def become():
    # One list: user, a number nobody else drew, how many arguments, these, and NAME=value each.
    with open("/run/go", encoding="utf-8", errors="surrogateescape") as orders:
        words = orders.read().split("\0")
    user, seed, count = (int(word) for word in words[:3])
    command = words[3 : 3 + count]
    os.environ.clear()
    for word in words[3 + count :]:
        name, _, value = word.partition("=")
        os.environ[name] = value
    time.tzset()
    os.umask(0o022)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    os.chdir("/app")
    # Every machine of one snapshot has this process: its random numbers must not be the same.
    random.seed(os.urandom(32) + seed.to_bytes(4, "little"))
    # What the user's own home has was looked for in root's.
    site.USER_BASE = site.USER_SITE = None
    site.ENABLE_USER_SITE = site.check_enableusersite()
    if site.ENABLE_USER_SITE:
        site.addusersitepackages(set())
    entry = command[0]
    sys.argv[:] = [entry.removeprefix("/app/"), *command[1:]]
    sys.orig_argv[:] = ["python3", *sys.argv]
    sys.path[0] = os.path.dirname(entry)
    loader = importlib.machinery.SourceFileLoader("__main__", entry)
    main = sys.modules["__main__"]
    # What follows needs no name of this file's any more.
    for name in list(vars(main)):
        if name != "__builtins__":
            del vars(main)[name]
    vars(main).update(
        __name__="__main__", __file__=entry, __doc__=None, __package__=None, __spec__=None, __loader__=loader, __cached__=None
    )
    return vars(main)


def run(become, open_code, sys):
    names = become()
    entry = names["__file__"]
    try:
        with open_code(entry) as file:
            source = file.read()
    except OSError as error:
        # As Python itself says it.
        print(f"python3: can't open file '{entry}': [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        sys.exit(2)
    try:
        exec(compile(source, entry, "exec", dont_inherit=True), names)
    except SystemExit:
        raise
    except BaseException as error:
        # This file is no part of the program's story.
        trace = error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(1)


os.write(1, b"ready\n")
run(become, io.open_code, sys)
