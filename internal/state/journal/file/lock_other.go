//go:build !unix

package file

import (
	"errors"
	"os"
)

func flock(*os.File) error {
	return errors.New("data directories can be opened on Unix systems only")
}
