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
import traceback

before = dict(os.environ)
import awscli.clidriver  # adds to the environment

awscli.clidriver.create_clidriver()  # loads the modules that are loaded later
added = {name: value for name, value in os.environ.items() if before.get(name) != value}


def receive(conn):
    """Returns the length of a command's text, and its first three files."""
    size = array.array("I")
    files = array.array("i")
    data, controls, _, _ = conn.recvmsg(size.itemsize, socket.CMSG_LEN(3 * files.itemsize))
    size.frombytes(data)
    files.frombytes(controls[0][2])
    return size[0], files


def command(args, env, directory, files):
    """Runs a command as a process of its own would, and ends this one."""
    code = 1
    try:
        for number in 2, 1, 0:  # the standard error first, so that it has what fails after it
            os.dup2(files[number], number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(env)
        os.environ.update(added)
        time.tzset()
        sys.argv = ["aws"] + args
        code = awscli.clidriver.main()
    except SystemExit as e:
        code = e.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        end(code if isinstance(code, int) else 0 if code is None else 1)


def end(code):
    """Ends this process. If its output cannot be written, the exit code is 120, as of any Python process."""
    for file in sys.stdout, sys.stderr:
        try:
            file.flush()
        except (OSError, ValueError):
            code = 120
    os._exit(code & 255)


def attend(conn):
    """Runs a command and answers with its exit code. If the program that asked ends first, the command is killed."""
    size, files = receive(conn)
    try:
        with conn.makefile("rb") as rest:
            args, env, directory = marshal.loads(rest.read(size))
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        pid = os.fork()
        if pid == 0:
            conn.close()
            command(args, env, directory, files)
        for file in files[:2]:
            os.close(file)
        ended = os.pidfd_open(pid)
        if ended not in select.select([conn, ended], [], [])[0]:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        conn.sendall(bytes([code if code >= 0 else 128 - code]))
    except BaseException:
        os.write(files[2], traceback.format_exc().encode())
        raise


def accept(listener):
    """Attends to the next command in a fork. If it cannot be accepted now, for example because too many files are open,
    it stays the next one. If there can be no fork, the command fails."""
    try:
        conn, _ = listener.accept()
    except OSError:
        traceback.print_exc()
        time.sleep(0.01)  # until others have closed files
        return
    with conn:
        try:
            pid = os.fork()
        except OSError:
            traceback.print_exc()
            return
        if pid == 0:
            try:
                listener.close()
                attend(conn)
            finally:
                os._exit(0)


def main(path):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests end, and with them the standard input
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
        gc.collect()
        gc.freeze()  # what is loaded is neither looked at nor copied in the forks
        gc.disable()
        print("ready", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            accept(listener)
    finally:
        shutil.rmtree(os.path.dirname(path))


main(sys.argv[1])
