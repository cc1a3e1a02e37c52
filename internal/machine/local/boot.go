package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/userdata"
)

func pidFile(dir string) string      { return filepath.Join(dir, "agent.pid") }
func logFile(dir string) string      { return filepath.Join(dir, "agent.log") }
func consoleFile(dir string) string  { return filepath.Join(dir, "console.log") }
func identityFile(dir string) string { return filepath.Join(dir, "identity.json") }
func credentialsFile(dir string) string {
	return filepath.Join(dir, "credentials.json")
}
func rootDir(dir string) string { return filepath.Join(dir, "root") }
func dataDir(dir string) string { return filepath.Join(dir, "data") }

// boot creates the instance's directory and runs its user data, once in its life. After an interrupted boot it
// starts again with an empty root.
func (d *Driver) boot(ctx context.Context, in *fleet.Instance, dir string) error {
	booted := filepath.Join(dir, "booted")
	if _, err := os.Stat(booted); err == nil {
		return nil
	}
	if err := os.RemoveAll(rootDir(dir)); err != nil {
		return err
	}
	for _, sub := range []string{rootDir(dir), dataDir(dir), filepath.Join(dir, "pipes")} {
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
	}
	if err := writeFile(identityFile(dir), identityDocument(in)); err != nil {
		return err
	}
	if err := d.runUserData(ctx, in, dir); err != nil {
		return err
	}
	return writeFile(booted, []byte(time.Now().UTC().Format(time.RFC3339)+"\n"))
}

func (d *Driver) runUserData(ctx context.Context, in *fleet.Instance, dir string) error {
	root, err := os.OpenRoot(rootDir(dir))
	if err != nil {
		return err
	}
	defer root.Close()
	console, err := os.OpenFile(consoleFile(dir), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	fmt.Fprintf(console, "%s instance %s (%s, %s) boots in %s\n", time.Now().UTC().Format(time.RFC3339),
		in.ID, in.Launch.InstanceType, in.Address, in.Zone)
	host, _, _ := strings.Cut(in.DNSName(), ".")
	self := userdata.Instance{ID: in.ID, Hostname: host, Region: in.Region}
	err = userdata.Run(ctx, root, filepath.Join(dir, "pipes"), userdata.Decode(in.Launch.UserData), self,
		d.cfg.Limits, console)
	return errors.Join(err, context.Cause(ctx))
}

// identityDocument is the document that EC2's metadata service has at dynamic/instance-identity/document.
func identityDocument(in *fleet.Instance) []byte {
	t, _ := fleet.FindInstanceType(in.Launch.InstanceType)
	doc, err := json.MarshalIndent(map[string]any{
		"accountId": in.Account, "architecture": t.Architecture, "availabilityZone": in.Zone, "billingProducts": nil,
		"devpayProductCodes": nil, "marketplaceProductCodes": nil, "imageId": in.Launch.ImageID, "instanceId": in.ID,
		"instanceType": in.Launch.InstanceType, "kernelId": nil,
		"pendingTime": in.LaunchedAt.UTC().Format(time.RFC3339), "privateIp": in.Address.String(),
		"ramdiskId": nil, "region": in.Region, "version": "2017-09-30",
	}, "", "  ")
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return doc
}

// settings returns the settings that the instance's ecs.config holds now.
func settings(dir string) ([]userdata.Setting, error) {
	root, err := os.OpenRoot(rootDir(dir))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(strings.TrimPrefix(userdata.ConfigPath, "/"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return userdata.ParseConfig(data), err
}

// note writes a line to the instance's console. It is for people, so an error, as on a full disk, is ignored.
func (d *Driver) note(id, format string, args ...any) {
	f, err := os.OpenFile(consoleFile(d.dir(id)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, time.Now().UTC().Format(time.RFC3339)+" "+format+"\n", args...)
}

// writeFile writes a file so that it exists completely or not at all.
func writeFile(name string, data []byte) error {
	tmp := name + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}
