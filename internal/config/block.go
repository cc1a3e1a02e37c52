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

// Block is what a data directory remembers of the block of addresses that its server had.
type Block struct {
	Server string // tells what the server has made in Docker from what others have
	Block  int    // -1 for none
}

// BlockFile is the name of the file that has a Block.
const BlockFile = "block.json"

// ReadBlock reads the block that a data directory remembers. A directory of a version that knew no blocks has block 0.
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
		return Block{}, fmt.Errorf("%s is damaged: %w; remove it, and the server takes any free block of addresses", path, err)
	}
	return b, nil
}
