package edge

import (
	"bufio"
	"io"
	"sync"
)

// buffers pools buffers. A buffer is taken when there are bytes to hold, and returned as soon as it is empty.
type buffers struct{ readers, writers, blocks sync.Pool }

const (
	readerSize = 4 << 10
	writerSize = 8 << 10
	blockSize  = 32 << 10
)

func (b *buffers) reader(r io.Reader) *bufio.Reader {
	br, ok := b.readers.Get().(*bufio.Reader)
	if !ok {
		return bufio.NewReaderSize(r, readerSize)
	}
	br.Reset(r)
	return br
}

func (b *buffers) putReader(br *bufio.Reader) {
	br.Reset(nil)
	b.readers.Put(br)
}

func (b *buffers) writer(w io.Writer) *bufio.Writer {
	bw, ok := b.writers.Get().(*bufio.Writer)
	if !ok {
		return bufio.NewWriterSize(w, writerSize)
	}
	bw.Reset(w)
	return bw
}

func (b *buffers) putWriter(bw *bufio.Writer) {
	bw.Reset(nil)
	b.writers.Put(bw)
}

func (b *buffers) block() *[blockSize]byte {
	if p, ok := b.blocks.Get().(*[blockSize]byte); ok {
		return p
	}
	return new([blockSize]byte)
}

func (b *buffers) putBlock(p *[blockSize]byte) { b.blocks.Put(p) }
