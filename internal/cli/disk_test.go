package cli

import (
	"bytes"
	"testing"

	"github.com/berthhq/berth/internal/status"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "500000": 500000, "512M": 512 << 20, "20GiB": 20 << 30, "1T": 1 << 40, "8KB": 8 << 10, "7B": 7,
		"": -1, "M": -1, "-1": -1, "1.5G": -1, "99999999T": -1, "20 G": -1, "x": -1,
	} {
		var s size
		if err := s.Set(text); (err != nil) != (want < 0) || err == nil && int64(s) != want {
			t.Errorf("%q is %d, %v", text, s, err)
		}
	}
}

func TestPrintDisk(t *testing.T) {
	for want, d := range map[string]status.Disk{
		"\nDisk  images 1.5 MiB, state 1 MiB; 100 B of the budget of 2 GiB is left\n": {
			Budget: 2 << 30, Room: 100, Use: map[string]int64{"state": 1 << 20, "images": 3 << 19, "logs": 0},
		},
		"\nDisk  state 1 MiB; 3 TiB of the disk is left\n": {Room: 3 << 40, Use: map[string]int64{"state": 1 << 20}},
	} {
		var b bytes.Buffer
		if printDisk(&b, &d); b.String() != want {
			t.Errorf("got %q, want %q", b.String(), want)
		}
	}
}
