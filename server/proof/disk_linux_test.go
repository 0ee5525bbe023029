package proof

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// limitFiles lets no file of a process grow beyond a size, as on a disk that is full. Writes to it fail, or are cut short.
func (p *process) limitFiles(t testing.TB, size uint64) {
	t.Helper()
	limit := unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

// TestDiskFull lets the disk of a server that runs become full at a random byte, again and again. Some requests are
// answered 500 then, and what was acknowledged holds; when there is room again, the same process goes on.
func TestDiskFull(t *testing.T) {
	folder := t.TempDir()
	p := start(t, real(t, folder))
	j := &journal{}
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	failed := 0
	for range scale(10, 200) {
		from := max(len(j.entries)-recent, 0)
		j.faults = false
		for range 10 {
			if err := j.share(p.api, random); err != nil {
				t.Fatal(err)
			}
		}
		log, err := os.Stat(folder + "/" + databaseFile + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		j.faults = true
		p.limitFiles(t, uint64(log.Size()+random.Int64N(40_000)))
		for range 60 {
			if err := j.act(p.api, random); err != nil {
				t.Fatalf("%v\n%s", err, p.logged())
			}
		}
		failed += j.failed
		j.failed = 0
		p.limitFiles(t, unix.RLIM_INFINITY)
		j.faults = false
		if err := j.settle(p.api, from); err != nil {
			t.Fatalf("%v\n%s", err, p.logged())
		}
		if len(j.problems) > 0 {
			break
		}
	}
	if failed == 0 {
		t.Error("nothing failed: the test tests nothing")
	}
	t.Logf("%d requests were answered 500", failed)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if p.err != nil {
		t.Errorf("it ended with %v", p.err)
	}
	p = start(t, real(t, folder))
	if err := j.settle(p.api, 0); err != nil {
		t.Fatal(err)
	}
	j.wantHeld(t)
}

// TestReadOnly starts servers that cannot write to their data: they say so and end, and when they can again, nothing is lost.
func TestReadOnly(t *testing.T) {
	t.Run("an empty folder", func(t *testing.T) {
		folder := t.TempDir()
		setModes(t, 0o500, folder)
		refuses(t, folder)
		setModes(t, 0o700, folder)
		start(t, unprivileged(t, folder))
	})
	t.Run("the files", func(t *testing.T) {
		folder := t.TempDir()
		p := start(t, unprivileged(t, folder))
		shared := must(t, 200)(p.share("the value", ""))
		p.kill()
		files, err := filepath.Glob(filepath.Join(folder, databaseFile+"*"))
		if err != nil {
			t.Fatal(err)
		}
		setModes(t, 0o400, files...)
		refuses(t, folder)
		setModes(t, 0o600, files...)
		must(t, 200)(start(t, unprivileged(t, folder)).reveal(shared.SecretKey, ""))
	})
}

func refuses(t testing.TB, folder string) {
	t.Helper()
	p, serving := launch(t, unprivileged(t, folder))
	select {
	case <-p.ended:
	case <-serving:
		t.Error("it serves")
		return
	}
	if p.err == nil || p.logged() == "" {
		t.Errorf("it ended with %v: %q", p.err, p.logged())
	}
}

func setModes(t testing.TB, mode os.FileMode, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
}

// unprivileged is a command for the real server, without the rights of root, to whom no file is read-only.
func unprivileged(t testing.TB, folder string) *exec.Cmd {
	t.Helper()
	cmd := real(t, folder)
	if os.Geteuid() != 0 {
		return cmd
	}
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Env = append(cmd.Environ(), "XDG_CONFIG_HOME="+filepath.Dir(folder)) // root's is not for others to read
	setModes(t, 0o711, filepath.Dir(cmd.Path), filepath.Dir(folder))
	if err := os.Chown(folder, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return cmd
}
