package server

import (
	"io"
	"sync"
)

// A buffer holds a message while it is checked. Buffers are used again, by requests of others, and messages hold secrets: so a
// buffer is wiped before it goes back, and before it lets go of memory that it has outgrown. Nobody gets at its bytes but
// through heldBody and answer, which take leave of it when the request is done.
type buffer struct{ data []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

const (
	leastBuffer = 1 << 10
	mostKept    = 128 << 10 // what is larger is wiped and left to the garbage collector
)

func newBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) free() {
	b.wipe()
	if cap(b.data) <= mostKept {
		buffers.Put(b)
	}
}

// wipe empties the buffer. Only what is in use was written to since it was last wiped.
func (b *buffer) wipe() {
	clear(b.data)
	b.data = b.data[:0]
}

// reserve makes room for more bytes.
func (b *buffer) reserve(more int) {
	if more <= cap(b.data)-len(b.data) {
		return
	}
	larger := make([]byte, len(b.data), max(leastBuffer, 2*cap(b.data), len(b.data)+more))
	copy(larger, b.data)
	clear(b.data)
	b.data = larger
}

func (b *buffer) write(p []byte) {
	b.reserve(len(p))
	b.data = append(b.data, p...)
}

// readFrom adds what a reader has, up to a length. It tells whether that was all.
func (b *buffer) readFrom(r io.Reader, most int64) (all bool, err error) {
	for {
		b.reserve(1)
		room := b.data[len(b.data):cap(b.data)]
		room = room[:min(int64(len(room)), most-int64(len(b.data))+1)]
		n, err := r.Read(room)
		b.data = b.data[:len(b.data)+n]
		switch {
		case int64(len(b.data)) > most:
			return false, nil
		case err == io.EOF:
			return true, nil
		case err != nil:
			return false, err
		}
	}
}

// A heldBody is the body of a request that was read and checked. A handler may read it until its request is done.
type heldBody struct {
	mu   sync.Mutex
	data []byte
	done bool
}

func (h *heldBody) Read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.done:
		return 0, errDone
	case len(h.data) == 0:
		return 0, io.EOF
	}
	n := copy(p, h.data)
	h.data = h.data[n:]
	return n, nil
}

// Close does nothing: net/http closes the body that this one stands for.
func (h *heldBody) Close() error { return nil }

func (h *heldBody) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data, h.done = nil, true
}
