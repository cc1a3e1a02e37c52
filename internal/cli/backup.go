package cli

import (
	"context"
	"errors"
	"io"
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

func newBackup(io streams) *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "copy a server's data into one file, also while it runs",
		Long: "Writes a consistent copy of the data directory into a new tar file, or to standard output for \"-\". " +
			"The server may run. The keys of the directory are in the file, so keep it as safe as the directory.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "-" {
				return p.backup(c.Context(), io.out)
			}
			return writeNew(args[0], func(f *os.File) error { return p.backup(c.Context(), f) })
		},
	}
	p.flags(c)
	return c
}

// writeNew writes a file that is there whole or not at all, and replaces none.
func writeNew(path string, write func(*os.File) error) error {
	if _, err := os.Lstat(path); err == nil {
		return errors.New(quote.Text(path) + " is there already; name a new file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unlike a rename, it never replaces what came meanwhile
}

// backup writes a backup by the server that runs, or, when none has the data directory open, by itself.
func (p *place) backup(ctx context.Context, to io.Writer) error {
	if !p.given("listen") {
		switch format, err := file.FormatOf(p.data); {
		case err == nil && format == bolt.Format1:
			return errors.New("the data directory is of format 1: start this version once, or copy the directory as it is")
		case err == nil:
			return backupStopped(ctx, to, p.data)
		case !errors.Is(err, file.ErrInUse):
			return err
		}
	}
	from, err := p.connect()
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

// download writes a page of the server as it comes.
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

func newRestore(io streams) *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "make a data directory of a backup",
		Long: "Makes the data directory of a backup, read from FILE or from standard input for \"-\". The directory must be empty or not be there. " +
			"Then start the server on it. Do not run it beside the server that the backup was made of: both would act for the same instances.",
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
			return backup.Restore(from, p.data)
		},
	}
	p.dataFlag(c)
	return c
}

func newCheck(io streams) *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "verify the data directory of a stopped server",
		Long: "Reads all of the data directory, the state, logs and images, compares checksums, and prints each place that is damaged. " +
			"It changes nothing. The exit code is 1 when something is damaged.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return check(io, p.data, asJSON) },
	}
	p.dataFlag(c)
	jsonFlag(c, &asJSON)
	return c
}

func check(io streams, dir string, asJSON bool) error {
	damage := []string{}
	found, err := backup.Check(dir, func(err error) { damage = append(damage, err.Error()) })
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(io.out, struct {
			backup.Checked
			Damage []string
		}{found, damage})
	} else {
		for _, d := range damage {
			quote.Fprintf(io.out, "%s\n", d)
		}
		quote.Fprintf(io.out, "%d rows, %d log events, %d blobs of images; %d places damaged\n", found.Rows, found.Events, found.Blobs, len(damage))
	}
	if err == nil && len(damage) > 0 {
		err = exitError(1)
	}
	return err
}
