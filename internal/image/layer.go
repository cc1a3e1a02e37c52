package image

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layer is a compressed tar file on disk.
type layer struct {
	ocispec.Descriptor
	diffID digest.Digest // of the uncompressed tar
	path   string
}

func writeLayer(files []File) (l layer, err error) {
	out, err := os.CreateTemp("", "berth-layer-*.tar.gz")
	if err != nil {
		return layer{}, err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			os.Remove(out.Name())
		}
	}()
	packed := &counter{sum: sha256.New()}
	plain := sha256.New()
	// Speed over size: the bytes go over loopback, once.
	gz, err := gzip.NewWriterLevel(io.MultiWriter(out, packed), gzip.BestSpeed)
	if err != nil {
		return layer{}, err
	}
	if err := writeTar(io.MultiWriter(gz, plain), files); err != nil {
		return layer{}, err
	}
	if err := gz.Close(); err != nil {
		return layer{}, err
	}
	return layer{
		Descriptor: ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageLayerGzip,
			Digest:    digest.NewDigest(digest.SHA256, packed.sum),
			Size:      packed.n,
		},
		diffID: digest.NewDigest(digest.SHA256, plain),
		path:   out.Name(),
	}, nil
}

// counter hashes and counts what is written to it.
type counter struct {
	sum hash.Hash
	n   int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.sum.Write(p)
}

func writeTar(w io.Writer, files []File) error {
	all, err := withParents(files)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, f := range all {
		if err := f.writeTo(tw); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return tw.Close()
}

// withParents sorts files by path, keeps only the last file of each path, and adds the parent directories.
func withParents(files []File) ([]File, error) {
	byPath := make(map[string]File)
	for _, f := range files {
		f.Path = path.Clean("/" + f.Path)
		if f.Path == "/" {
			continue
		}
		byPath[f.Path] = f
		for dir := path.Dir(f.Path); dir != "/"; dir = path.Dir(dir) {
			switch parent, ok := byPath[dir]; {
			case !ok:
				byPath[dir] = Dir(dir, 0o755)
			case parent.Target == "" && !parent.Mode.IsDir():
				return nil, fmt.Errorf("%s cannot be below %s, which is a file", f.Path, dir)
			}
		}
	}
	out := make([]File, 0, len(byPath))
	for _, f := range byPath {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func (f File) writeTo(tw *tar.Writer) error {
	h := &tar.Header{Name: f.Path[1:], Mode: int64(f.Mode.Perm()), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if f.Mode&os.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	switch {
	case f.Target != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Target, 0o777
		return tw.WriteHeader(h)
	case f.Mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return tw.WriteHeader(h)
	case f.Source == "":
		h.Typeflag, h.Size = tar.TypeReg, int64(len(f.Content))
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		_, err := tw.Write(f.Content)
		return err
	}
	return f.copyTo(tw, h)
}

func (f File) copyTo(tw *tar.Writer, h *tar.Header) error {
	src, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, st.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(tw, src, st.Size())
	return err
}
