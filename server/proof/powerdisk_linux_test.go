package proof

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A disk is what of a folder's files is on the disk, and what may be. It believes nothing that the standards do not say: a
// write is on the disk when the file was synced after it, and a name when its folder was; what was not synced may be there or
// not, each write for itself, and of a write any of its sectors. (Linux's usual file systems promise more.)
type disk struct {
	root    string
	names   map[string]*inode // as the processes see them: paths below root
	durable map[string]*inode // as they are on the disk for sure
	pending []naming          // what was done to names since, in order
	ignore  func(path string) bool
}

// An inode is a file or a folder.
type inode struct {
	folder  bool
	data    []byte   // as it is on the disk for sure
	pending []change // since
}

// A change is a write, or a change of the size where data is nil.
type change struct {
	at, size int64
	data     []byte
	end      int // the line of the trace on which it was done
}

// A naming gives a name to a file, or takes it away where inode is nil.
type naming struct {
	path  string
	inode *inode
	end   int
}

func newDisk(root string) *disk {
	return &disk{root: root, names: map[string]*inode{}, durable: map[string]*inode{}}
}

// relative returns a path below the root, and whether it is one that matters.
func (d *disk) relative(path string) (string, bool) {
	path, ok := strings.CutPrefix(path, d.root+"/")
	// The index of the log is made anew whenever nobody has the database open.
	return path, ok && !strings.HasSuffix(path, "-shm")
}

// do takes up a call. It fails for one that it does not know how to do.
func (d *disk) do(c *call) error {
	if c.result < 0 && c.end != never { // it has failed
		return nil
	}
	switch c.name {
	case "read":
		return nil
	case "open", "openat", "creat":
		return d.opens(c)
	case "write", "pwrite64":
		if path, ok := d.relative(c.file(0)); ok {
			return d.writes(c, path)
		}
	case "ftruncate":
		if path, ok := d.relative(c.file(0)); ok {
			size, err := c.number(1)
			return errors.Join(err, d.change(path, change{size: size, end: c.end}))
		}
	case "fsync", "fdatasync":
		d.sync(c)
	case "unlink", "unlinkat":
		d.name(c, c.file(len(c.args)-1-btoi(c.name == "unlinkat")), nil)
	case "mkdir":
		d.name(c, c.file(0), &inode{folder: true})
	case "mkdirat":
		d.name(c, c.file(1), &inode{folder: true})
	case "link", "linkat", "rename", "renameat", "renameat2":
		return d.links(c)
	default:
		for i := range c.args {
			if _, ok := d.relative(c.file(i)); ok {
				return fmt.Errorf("%s is not known", c.name)
			}
		}
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d *disk) name(c *call, path string, i *inode) {
	path, ok := d.relative(path)
	if !ok {
		return
	}
	if i == nil {
		delete(d.names, path)
	} else {
		d.names[path] = i
	}
	d.pending = append(d.pending, naming{path, i, c.end})
}

func (d *disk) opens(c *call) error {
	at := btoi(c.name == "openat")
	path, ok := d.relative(c.file(at))
	if !ok {
		return nil
	}
	flags := c.args[at+1]
	if d.names[path] == nil && strings.Contains(flags, "O_CREAT") {
		d.name(c, c.file(at), &inode{})
	}
	if strings.Contains(flags, "O_TRUNC") {
		return d.change(path, change{end: c.end})
	}
	return nil
}

func (d *disk) writes(c *call, path string) error {
	i := d.names[path]
	if i == nil {
		return fmt.Errorf("%s writes to %s, which has no name", c.name, path)
	}
	data := []byte(c.text(1))
	if c.end != never {
		data = data[:c.result] // it may have been cut short
	}
	var err error
	at := int64(len(i.now())) // of write, which nobody here uses but to append
	if c.name == "pwrite64" {
		at, err = c.number(3)
	}
	return errors.Join(err, d.change(path, change{at: at, data: data, end: c.end}))
}

func (d *disk) change(path string, ch change) error {
	i := d.names[path]
	if i == nil {
		return fmt.Errorf("%s has no name", path)
	}
	i.pending = append(i.pending, ch)
	return nil
}

func (d *disk) links(c *call) error {
	from, to := 0, 1
	if strings.Contains(c.name, "at") {
		from, to = 1, 3
	}
	path, ok := d.relative(c.file(from))
	i := d.names[path]
	if !ok || i == nil {
		return fmt.Errorf("%s of %s, which is not known", c.name, c.file(from))
	}
	d.name(c, c.file(to), i)
	if strings.HasPrefix(c.name, "rename") {
		d.name(c, c.file(from), nil)
	}
	return nil
}

// sync makes durable what was done before it was called.
func (d *disk) sync(c *call) {
	path := c.file(0)
	if d.ignore != nil && d.ignore(path) {
		return
	}
	before := func(end int) bool { return end < c.start }
	if path, ok := d.relative(path); ok && d.names[path] != nil && !d.names[path].folder {
		i := d.names[path]
		var left []change
		for _, ch := range i.pending {
			if !before(ch.end) {
				left = append(left, ch)
				continue
			}
			i.data = ch.apply(i.data)
		}
		i.pending = left
		return
	}
	var left []naming
	for _, n := range d.pending {
		if filepath.Join(d.root, filepath.Dir(n.path)) != path || !before(n.end) {
			left = append(left, n)
			continue
		}
		n.apply(d.durable)
	}
	d.pending = left
}

func (n naming) apply(names map[string]*inode) {
	if n.inode == nil {
		delete(names, n.path)
	} else {
		names[n.path] = n.inode
	}
}

// apply returns what a file holds after a change.
func (ch change) apply(data []byte) []byte {
	end := ch.at + int64(len(ch.data))
	if ch.data == nil {
		end = ch.size
	}
	if ch.data == nil && end < int64(len(data)) {
		return data[:end:end]
	}
	data = slices.Clone(data)
	if more := end - int64(len(data)); more > 0 {
		data = append(data, make([]byte, more)...)
	}
	copy(data[ch.at:], ch.data)
	return data
}

// now is what a file holds as the processes see it.
func (i *inode) now() []byte {
	data := i.data
	for _, ch := range i.pending {
		data = ch.apply(data)
	}
	return data
}

// after is what a file holds after the power was cut: what is on the disk for sure, and some of the rest.
func (i *inode) after(chance func() bool, random *rand.Rand) []byte {
	data := i.data
	for _, ch := range i.pending {
		if chance() {
			for _, part := range ch.torn(chance, random) {
				data = part.apply(data)
			}
		}
	}
	return data
}

// torn returns the parts of a write that reach the disk: all of it, or some of its sectors.
func (ch change) torn(chance func() bool, random *rand.Rand) []change {
	const sector = 512
	if ch.data == nil || random.IntN(4) > 0 {
		return []change{ch}
	}
	var parts []change
	for from := int64(0); from < int64(len(ch.data)); {
		to := min(from+sector-(ch.at+from)%sector, int64(len(ch.data)))
		if chance() {
			parts = append(parts, change{at: ch.at + from, data: ch.data[from:to]})
		}
		from = to
	}
	return parts
}

// restart writes what is there after the power was cut. With a random source some of what was not synced is there, too:
// of the names, the oldest ones.
func (d *disk) restart(t testing.TB, folder string, random *rand.Rand) {
	t.Helper()
	names := map[string]*inode{}
	for path, i := range d.durable {
		names[path] = i
	}
	chance := func() bool { return false }
	if random != nil {
		chance = func() bool { return random.IntN(2) == 0 }
		for _, n := range d.pending[:random.IntN(len(d.pending)+1)] {
			n.apply(names)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(names)) {
		i := names[path]
		if parent := names[filepath.Dir(path)]; filepath.Dir(path) != "." && parent == nil {
			delete(names, path) // nobody finds it, nor what is in it
			continue
		}
		var err error
		if i.folder {
			err = os.MkdirAll(filepath.Join(folder, path), 0o700)
		} else {
			data := i.data
			if random != nil {
				data = i.after(chance, random)
			}
			err = os.WriteFile(filepath.Join(folder, path), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
