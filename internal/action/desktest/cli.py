# Runs commands of the AWS CLI, a line of JSON for each: {"args": [...], "env": ["NAME=value", ...]}. Answers each with a
# line: {"out": ..., "err": ..., "code": ...}. Each command runs in a fork of this process, which has loaded the CLI's modules.
import json
import os
import sys
import tempfile

before = dict(os.environ)
import awscli.clidriver  # adds to the environment

added = {name: value for name, value in os.environ.items() if before.get(name) != value}


def command(args, env):
    os.environ.clear()
    os.environ.update(e.split("=", 1) for e in env)
    os.environ.update(added)
    sys.argv = ["aws"] + args
    code = 1
    try:
        code = awscli.clidriver.main()
    except SystemExit as e:
        code = e.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def run(args, env):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            command(args, env)
        _, status = os.waitpid(pid, 0)
        out.seek(0)
        err.seek(0)
        return {"out": out.read().decode(), "err": err.read().decode(), "code": os.waitstatus_to_exitcode(status)}


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


main()
