package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/backup"
	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/state/journal/bolt"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// backedUp is what berth backup prints.
type backedUp struct {
	File  string
	Bytes int64
}

func newBackup(io streams) *cobra.Command {
	p := place{exact: true}
	var asJSON bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "copy a server's data into one file, also while it runs",
		Long: "Writes a consistent copy of the data directory into a new tar file, or to standard output for \"-\". " +
			"The server may run. The keys of the directory are in the file, so keep it as secret as the directory.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "-" {
				if asJSON {
					return usagef("the backup itself goes to standard output: give a file beside --json")
				}
				return p.backup(c.Context(), io, io.out)
			}
			if err := outside(args[0]); err != nil {
				return err
			}
			done := backedUp{File: args[0]}
			err := writeNew(args[0], func(f *os.File) error {
				err := p.backup(c.Context(), io, f)
				if info, missing := f.Stat(); missing == nil {
					done.Bytes = info.Size()
				}
				return err
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(io.out, done)
			}
			_, err = quote.Fprintf(io.out, "Wrote %s, %s.\n", done.File, formatSize(done.Bytes))
			return err
		},
	}
	p.flags(c)
	jsonFlag(c, &asJSON, backedUp{})
	return c
}

// outside returns an error for a file in a data directory: the next backup would contain it, and damage to the
// directory would damage the backup.
func outside(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		there, err := file.Exists(at)
		if there {
			return fmt.Errorf("%s is in the data directory %s: write the backup to another place, best on another disk",
				quote.Text(path), quote.Text(at))
		}
		if err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// writeNew creates a file with what write writes. The file exists completely or not at all, and no other file
// is replaced.
func writeNew(path string, write func(*os.File) error) error {
	if _, err := os.Lstat(path); err == nil {
		return errors.New(quote.Text(path) + " exists already; name a new file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unlike a rename, it never replaces another file
}

// backup asks the running server for a backup, or writes one itself when no server has the data directory open.
// As for all commands, a server that the terminal has exported, or that a flag names, is used.
func (p *place) backup(ctx context.Context, std streams, to io.Writer) error {
	if !p.given("listen") && !p.exported() {
		switch format, err := file.FormatOf(p.data); {
		case err == nil && format == bolt.Format1:
			return errors.New("the data directory is of format 1: start this version once, or copy the " +
				"directory as it is")
		case err == nil:
			return backupStopped(ctx, to, p.data)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return noServer(p.data, err)
		case !errors.Is(err, file.ErrInUse):
			return err
		}
	}
	from, err := p.connect(std)
	if err != nil {
		return err
	}
	from.http.Timeout = 0
	return from.download(ctx, "/_berth/backup", to)
}

func backupStopped(ctx context.Context, to io.Writer, dir string) (err error) {
	id, keys, err := config.Owner(dir)
	if err != nil {
		return err
	}
	j, err := file.OpenFor(dir, file.Owner{ID: id, Keys: keys})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	blobs, err := blob.Open(filepath.Join(dir, "registry"))
	if err != nil {
		return err
	}
	return backup.Write(ctx, to, backup.Source{Dir: dir, State: j.Copy, Blobs: blobs.Freeze}, time.Now())
}

// download copies the body of a page of the server to a writer.
func (c *client) download(ctx context.Context, path string, to io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+path, nil)
	if err != nil {
		return err
	}
	sigv4.Sign(req, c.credentials, c.region, "berth", sigv4.HashPayload(nil), time.Now())
	resp, err := c.http.Do(req)
	if err != nil {
		return &unreachable{c.endpoint, err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refusal(resp)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}

// restored is what berth restore prints.
type restored struct{ Data string }

func newRestore(io streams) *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "create a data directory from a backup",
		Long: "Creates a data directory from a backup, read from FILE or from standard input for \"-\". The " +
			"directory must be empty or not exist.  " +
			"Then start the server on it. Do not run it beside the server that the backup was made of: " +
			"both would act for the same instances.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			from := io.in
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				from = f
			}
			err := backup.Restore(from, p.data)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(io.out, restored{p.data})
			}
			_, err = quote.Fprintf(io.out, "Restored into %s. Start the server: berth server%s\n",
				p.data, p.arguments())
			return err
		},
	}
	p.dataFlag(c)
	jsonFlag(c, &asJSON, restored{})
	return c
}

func newCheck(io streams) *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "verify the data directory of a stopped server",
		Long: "Reads all of the data directory, the state, logs and images, compares checksums, and prints " +
			"each place that is damaged. " +
			"It changes nothing. The exit code is 1 when something is damaged.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return check(io, p.data, asJSON) },
	}
	p.dataFlag(c)
	jsonFlag(c, &asJSON, checked{})
	return c
}

// checked is what berth check prints.
type checked struct {
	backup.Checked
	Damage []string
}

func check(io streams, dir string, asJSON bool) error {
	damage := []string{}
	found, err := backup.Check(dir, func(err error) { damage = append(damage, err.Error()) })
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(io.out, checked{found, damage})
	} else {
		for _, d := range damage {
			quote.Fprintf(io.out, "%s\n", d)
		}
		quote.Fprintf(io.out, "%d rows, %d log events, %d points of metrics, %d blobs of images; %d places damaged\n",
			found.Rows, found.Events, found.Points, found.Blobs, len(damage))
	}
	if err == nil && len(damage) > 0 {
		err = exitError(1)
	}
	return err
}
