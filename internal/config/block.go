package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/internal/fleet"
)

// Block is the number of a server's block of addresses (decision 0340), as its data directory keeps it.
type Block struct {
	Server string // labels what the server creates in Docker
	Block  int    // -1 for none
}

// BlockFile is the name of the file that holds a Block.
const BlockFile = "block.json"

// ReadBlock reads the block from a data directory. The directory of a version without blocks has block 0.
func ReadBlock(dir string) (Block, error) {
	path := filepath.Join(dir, BlockFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b := Block{Block: -1}
		if _, err := os.Stat(filepath.Join(dir, "instances")); err == nil {
			b.Block = 0
		}
		return b, nil
	}
	if err != nil {
		return Block{}, err
	}
	var b Block
	err = json.Unmarshal(data, &b)
	if err == nil && (b.Block < 0 || b.Block >= fleet.Blocks || b.Server == "") {
		err = fmt.Errorf("it has server %q and block %d", b.Server, b.Block)
	}
	if err != nil {
		return Block{}, fmt.Errorf(
			"%s is damaged: %w; remove it, and the server takes any free block of addresses", path, err)
	}
	return b, nil
}
