# Runs commands of the AWS CLI for the programs that run.py is. It listens on the Unix socket of its first argument. Each
# command runs in a fork of this process, which has loaded the CLI's modules. It ends, and removes the socket's
# directory, when its standard input is closed.
import array
import gc
import marshal
import os
import select
import shutil
import signal
import socket
import sys
import time

before = dict(os.environ)
import awscli.clidriver  # adds to the environment

awscli.clidriver.create_clidriver()  # loads the modules that are loaded later
added = {name: value for name, value in os.environ.items() if before.get(name) != value}


def receive(conn):
    """Returns the arguments, the environment and the directory of a command, and its first three files."""
    size = array.array("I")
    files = array.array("i")
    data, controls, _, _ = conn.recvmsg(size.itemsize, socket.CMSG_LEN(3 * files.itemsize))
    size.frombytes(data)
    files.frombytes(controls[0][2])
    with conn.makefile("rb") as rest:
        return marshal.loads(rest.read(size[0])), files


def command(args, env, directory, files):
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(env)
    os.environ.update(added)
    time.tzset()
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


def attend(conn):
    """Runs a command and answers with its exit code. If the program that asked ends first, the command is killed."""
    (args, env, directory), files = receive(conn)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        conn.close()
        command(args, env, directory, files)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(pid)
    if ended not in select.select([conn, ended], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    conn.sendall(bytes([code if code >= 0 else 128 - code]))


def main(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # what is loaded is neither looked at nor copied in the forks
    gc.disable()
    print("ready", flush=True)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        conn, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            try:
                attend(conn)
            finally:
                os._exit(0)
        conn.close()
    shutil.rmtree(os.path.dirname(path))


main(sys.argv[1])
