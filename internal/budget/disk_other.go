//go:build !linux

package budget

import "errors"

var errNoDisk = errors.New("the free space of a disk is not known on this system")

func disk(string) (free, size int64, err error) { return 0, 0, errNoDisk }
