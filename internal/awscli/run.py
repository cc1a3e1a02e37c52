# An AWS CLI that passes its arguments, its environment, its directory and its files to serve.py, and exits like the
# command that runs there. The socket is beside it. It imports little, as it is started for each command.
import _socket
import array
import marshal
import os
import sys

try:
    conn = _socket.socket(_socket.AF_UNIX)
    conn.connect(os.path.dirname(sys.argv[0]) + "/socket")
    text = marshal.dumps((sys.argv[1:], dict(os.environ), os.getcwd()))
    files = array.array("i", [0, 1, 2])
    conn.sendmsg([array.array("I", [len(text)])], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
    while text:
        text = text[conn.send(text):]
    code = conn.recv(1)
    if not code:
        print("aws: the command could not be run, or it is not known how it ended", file=sys.stderr)
except OSError as e:
    code = b""
    print("aws:", e, file=sys.stderr)
sys.exit(code[0] if code else 255)
