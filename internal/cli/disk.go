package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/status"
)

// printDisk prints how much the parts of a data directory take, and how much is left.
func printDisk(w io.Writer, d *status.Disk) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(d.Use)) {
		if d.Use[name] > 0 {
			parts = append(parts, name+" "+formatSize(d.Use[name]))
		}
	}
	of := "the disk"
	if d.Budget > 0 {
		of = "the budget of " + formatSize(d.Budget)
	}
	p := page{w}
	p.gap()
	p.line(0, "Disk", strings.Join(parts, ", ")+"; "+formatSize(d.Room)+" of "+of+" is left")
}

const sizeUnits = "KMGT"

// formatSize formats a number of bytes with at most one decimal.
func formatSize(n int64) string {
	v, unit := float64(n), "B"
	for i := 0; v >= 1024 && i < len(sizeUnits); i++ {
		v, unit = v/1024, sizeUnits[i:i+1]+"iB"
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + unit
}

// size is a flag for a number of bytes: 500000, 512M, 20GiB. The units are powers of 1024.
type size int64

func (s *size) Type() string   { return "size" }
func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

func (s *size) Set(text string) error {
	number, shift := strings.TrimSuffix(strings.TrimSuffix(text, "B"), "i"), 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte(sizeUnits, number[n-1]); i >= 0 {
			number, shift = number[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > 1<<(62-shift) {
		return fmt.Errorf("%q is not a size; write a number of bytes, or one with K, M, G or T, such as 20G", text)
	}
	*s = size(n << shift)
	return nil
}
