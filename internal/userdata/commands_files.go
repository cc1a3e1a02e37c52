package userdata

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

func runMkdir(c *command) error {
	flags, err := c.options("pv", map[string]rune{"--parents": 'p'})
	if err != nil {
		return err
	}
	for _, name := range c.args {
		if flags['p'] {
			err = c.m.disk.root.MkdirAll(c.path(name), 0o755)
		} else {
			err = c.m.disk.root.Mkdir(c.path(name), 0o755)
		}
		if err != nil {
			return c.fail("cannot create directory '%s': %v", name, reason(err))
		}
	}
	return nil
}

func runTouch(c *command) error {
	if _, err := c.options("", nil); err != nil {
		return err
	}
	for _, name := range c.args {
		f, err := c.m.disk.root.OpenFile(c.path(name), os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return c.fail("cannot touch '%s': %v", name, reason(err))
		}
		f.Close()
	}
	return nil
}

func runRemove(c *command) error {
	flags, err := c.options("rRfv", map[string]rune{"--recursive": 'r', "--force": 'f'})
	if err != nil {
		return err
	}
	var failed error
	for _, name := range c.args {
		_, err := c.m.disk.root.Lstat(c.path(name))
		switch {
		case err != nil && flags['f']:
			continue
		case err != nil:
		case c.path(name) == ".":
			err = fmt.Errorf("it is dangerous to operate on '/'")
		case flags['r'] || flags['R']:
			err = c.m.disk.root.RemoveAll(c.path(name))
		default:
			err = c.m.disk.root.Remove(c.path(name))
		}
		if err != nil {
			failed = c.fail("cannot remove '%s': %v", name, reason(err))
		}
	}
	return failed
}

// target is where a file called name goes when it is moved or copied to dst.
func (c *command) target(name, dst string) string {
	if info, err := c.m.disk.root.Stat(c.path(dst)); err == nil && info.IsDir() {
		return path.Join(c.path(dst), path.Base(name))
	}
	return c.path(dst)
}

func runMove(c *command) error {
	if _, err := c.options("fv", nil); err != nil {
		return err
	}
	if len(c.args) < 2 {
		return c.fail("missing file operand")
	}
	dst := c.args[len(c.args)-1]
	for _, name := range c.args[:len(c.args)-1] {
		if err := c.m.disk.root.Rename(c.path(name), c.target(name, dst)); err != nil {
			return c.fail("cannot move '%s' to '%s': %v", name, dst, reason(seen("rename", name, err)))
		}
	}
	return nil
}

func runCopy(c *command) error {
	if _, err := c.options("fpv", nil); err != nil {
		return err
	}
	if len(c.args) < 2 {
		return c.fail("missing file operand")
	}
	dst := c.args[len(c.args)-1]
	for _, name := range c.args[:len(c.args)-1] {
		data, err := c.m.disk.readFile(c.hc.Dir, name)
		if err == nil {
			err = c.m.disk.writeFile("/"+c.target(name, dst), data, 0o644)
		}
		if err != nil {
			return c.fail("cannot copy '%s' to '%s': %v", name, dst, reason(err))
		}
	}
	return nil
}

// runChmod knows octal modes and the three words that scripts use.
func runChmod(c *command) error {
	if len(c.args) < 2 {
		return c.fail("missing operand")
	}
	for _, name := range c.args[1:] {
		info, err := c.m.disk.root.Stat(c.path(name))
		if err != nil {
			return c.fail("cannot access '%s': %v", name, reason(err))
		}
		mode, ok := changedMode(info.Mode().Perm(), c.args[0])
		if !ok {
			return c.fail("the mode '%s' is not supported here", c.args[0])
		}
		if err := c.m.disk.root.Chmod(c.path(name), mode); err != nil {
			return c.fail("changing permissions of '%s': %v", name, reason(err))
		}
	}
	return nil
}

func changedMode(old fs.FileMode, change string) (fs.FileMode, bool) {
	switch change {
	case "+x", "a+x":
		return old | 0o111, true
	case "u+x":
		return old | 0o100, true
	case "-x", "a-x":
		return old &^ 0o111, true
	}
	n, err := strconv.ParseUint(change, 8, 12)
	return fs.FileMode(n).Perm(), err == nil
}

func runList(c *command) error {
	flags, err := c.options("1aA", nil)
	if err != nil {
		return err
	}
	if len(c.args) == 0 {
		c.args = []string{"."}
	}
	var failed error
	var files, dirs []string
	for _, name := range slices.Sorted(slices.Values(c.args)) {
		info, err := c.m.disk.stat(c.hc.Dir, name, true)
		switch {
		case err != nil:
			failed = c.fail("cannot access '%s': %v", name, reason(err))
		case info.IsDir():
			dirs = append(dirs, name)
		default:
			files = append(files, name)
		}
	}
	for _, name := range files {
		fmt.Fprintln(c.hc.Stdout, name)
	}
	for i, name := range dirs {
		if i > 0 || len(files) > 0 {
			fmt.Fprintln(c.hc.Stdout)
		}
		if len(c.args) > 1 {
			fmt.Fprintf(c.hc.Stdout, "%s:\n", name)
		}
		if err := c.list(name, flags['a'], flags['a'] || flags['A']); err != nil {
			return err
		}
	}
	return failed
}

// list prints a directory's names: with dots its own and its parent's, and with hidden those that begin with a dot.
func (c *command) list(dir string, dots, hidden bool) error {
	entries, err := c.m.disk.readDir(c.hc.Dir, dir)
	if err != nil {
		return c.fail("cannot open directory '%s': %v", dir, reason(err))
	}
	if dots {
		fmt.Fprint(c.hc.Stdout, ".\n..\n")
	}
	for _, e := range entries {
		if hidden || !strings.HasPrefix(e.Name(), ".") {
			fmt.Fprintln(c.hc.Stdout, e.Name())
		}
	}
	return nil
}
