package userdata

import (
	"io"
	"strings"

	"mvdan.cc/sh/v3/interp"
)

// runShell is bash and sh: a script file, -c with a text, or a script on standard input.
func runShell(c *command) error {
	call := shellCall{dir: c.hc.Dir, name: c.name, stdin: c.hc.Stdin, stdout: c.hc.Stdout, stderr: c.hc.Stderr}
	args, text := c.args, false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-" {
		flags := args[0]
		args = args[1:]
		if flags == "--" {
			break
		}
		if strings.Trim(flags[1:], "celuvx") != "" {
			return c.fail("option %s is not supported here", flags)
		}
		text = text || strings.Contains(flags, "c")
		call.options = append(call.options, splitFlags("-"+strings.NewReplacer("c", "", "l", "").Replace(flags[1:]))...)
	}
	switch {
	case text && len(args) == 0:
		return c.fail("-c: option requires an argument")
	case text:
		call.source, args = []byte(args[0]), args[1:]
		if len(args) > 0 {
			call.name, args = args[0], args[1:]
		}
	case len(args) > 0 && args[0] != "-":
		data, err := c.m.disk.readFile(c.hc.Dir, args[0])
		if err != nil {
			return c.m.complain(c.hc, 127, "%s: %v", args[0], reason(err))
		}
		call.name, call.source, args = args[0], data, args[1:]
	default:
		data, err := io.ReadAll(io.LimitReader(c.stdin(), maxSize))
		if err != nil {
			return c.fail("%v", reason(err))
		}
		call.source, args = data, nil
	}
	call.args = args
	return exitOf(c.m.shell(c.ctx, exported(c.hc.Env), call))
}

// runSudo runs the rest of the line: the script is root already.
func runSudo(c *command) error {
	args := c.args
	for len(args) > 0 && (args[0] == "-E" || args[0] == "-n" || args[0] == "-H" || args[0] == "--") {
		args = args[1:]
	}
	if len(args) == 0 {
		return c.fail("a command is missing")
	}
	if strings.HasPrefix(args[0], "-") {
		return c.fail("option %s is not supported here", args[0])
	}
	return c.run(args, nil)
}

// runEnv prints the environment, or runs a command with more in it.
func runEnv(c *command) error {
	args := c.args
	var more []string
	for len(args) > 0 && strings.Contains(args[0], "=") {
		more, args = append(more, args[0]), args[1:]
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return c.fail("option %s is not supported here", args[0])
	}
	if len(args) == 0 {
		for _, e := range append(exported(c.hc.Env), more...) {
			io.WriteString(c.hc.Stdout, e+"\n")
		}
		return nil
	}
	return c.run(args, more)
}

// run runs another command line in place of this one.
func (c *command) run(args, env []string) error {
	if len(env) == 0 {
		if interp.IsBuiltin(args[0]) {
			return c.hc.Builtin(c.ctx, args)
		}
		return c.m.exec(c.ctx, args)
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = quote(a)
	}
	return exitOf(c.m.shell(c.ctx, append(exported(c.hc.Env), env...),
		shellCall{dir: c.hc.Dir, name: c.name, source: []byte(strings.Join(words, " ")),
			stdin: c.hc.Stdin, stdout: c.hc.Stdout, stderr: c.hc.Stderr}))
}
