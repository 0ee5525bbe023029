package proof

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// needTool skips a test where a tool of the system is missing, and fails it in CI, which installs them all.
func needTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed (on Debian: apt-get install %s)", name, name)
}

// traced is a command under strace. The tracer is not its parent, so that the process is killed as any other, and shares its
// standard error, so that where that ends the trace is complete.
func traced(t testing.TB, cmd *exec.Cmd, options ...string) *exec.Cmd {
	t.Helper()
	needTool(t, "strace")
	under := exec.Command("strace", append(append([]string{"-D", "-f"}, options...), cmd.Args...)...)
	under.Env = cmd.Env
	return under
}

// recordTo makes strace write down all that changes files, makes that durable, or is said to clients.
func recordTo(file string) []string {
	return []string{"--seccomp-bpf", "-y", "-xx", "-s", "1000000", "-o", file, "-e", "trace=" +
		"open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate," +
		"rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir," +
		"fsync,fdatasync,sync_file_range,sync,syncfs,msync,read"}
}

// A call is a system call.
type call struct {
	name       string
	args       []string // as strace writes them, with strings and paths decoded
	result     int64    // negative if it has failed, or is not known
	start, end int      // the lines of the trace on which it begins and ends
}

// never is the end of a call that did not return.
const never = 1 << 60

var (
	processLine = regexp.MustCompile(`^(\d+) +(.*)$`)
	resumedCall = regexp.MustCompile(`^<\.\.\. \w+ resumed>`)
	wholeCall   = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+)?`)
	hexText     = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
	hexPath     = regexp.MustCompile(`<((?:\\x[0-9a-f]{2})+)>`)
)

// readTrace returns the calls that strace has recorded, of one file after the other, in the order in which they begin.
func readTrace(t testing.TB, files ...string) []*call {
	t.Helper()
	var calls []*call
	line := 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		type begun struct {
			*call
			text string
		}
		open := map[string]begun{} // by process
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			line++
			parts := processLine.FindStringSubmatch(lines.Text())
			if parts == nil {
				t.Fatalf("a line of the trace is not understood: %.200s", lines.Text())
			}
			process, text := parts[1], parts[2]
			if strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
				continue // it has ended, or got a signal
			}
			c := begun{&call{start: line, end: never, result: -1}, text}
			if at := resumedCall.FindStringIndex(text); at != nil {
				c = open[process]
				delete(open, process)
				c.text += text[at[1]:]
			} else {
				calls = append(calls, c.call)
			}
			if before, unfinished := strings.CutSuffix(c.text, "<unfinished ...>"); unfinished {
				c.text = before
				c.parse(strings.TrimRight(before, " ,") + ") = ?") // in case that it never returns
				open[process] = c
				continue
			}
			c.end = line
			c.parse(c.text)
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return calls
}

func (c *call) parse(text string) {
	parts := wholeCall.FindStringSubmatch(text)
	if parts == nil {
		c.name, _, _ = strings.Cut(text, "(")
		return
	}
	c.name, c.args = parts[1], strings.Split(parts[2], ", ") // strings are in hexadecimal digits, and hold no commas
	for i := range c.args {
		c.args[i] = hexPath.ReplaceAllStringFunc(strings.TrimSpace(c.args[i]), unhex)
		c.args[i] = hexText.ReplaceAllStringFunc(c.args[i], unhex)
	}
	c.result = -1
	if parts[3] != "" {
		c.result, _ = strconv.ParseInt(parts[3], 10, 64)
	}
}

// unhex decodes \x2f\x61 between two characters, which it keeps.
func unhex(text string) string {
	data, err := hex.DecodeString(strings.ReplaceAll(text[1:len(text)-1], `\x`, ""))
	if err != nil {
		return text
	}
	return text[:1] + string(data) + text[len(text)-1:]
}

// file returns the path of the file that an argument is open on, or names.
func (c *call) file(arg int) string {
	if arg >= len(c.args) {
		return ""
	}
	text := c.args[arg]
	if strings.HasPrefix(text, `"`) {
		return strings.Trim(text, `"`)
	}
	_, path, _ := strings.Cut(text, "<")
	path, _, _ = strings.Cut(path, ">")
	return path
}

func (c *call) text(arg int) string {
	if arg >= len(c.args) || len(c.args[arg]) < 2 {
		return ""
	}
	return c.args[arg][1 : len(c.args[arg])-1]
}

// number fails for what is no number, in which case it is not known what the call does.
func (c *call) number(arg int) (int64, error) {
	if arg >= len(c.args) {
		return 0, fmt.Errorf("%s has no argument %d", c.name, arg)
	}
	return strconv.ParseInt(c.args[arg], 0, 64)
}

// isSocket tells whether a call is on a connection.
func (c *call) isSocket() bool { return strings.HasPrefix(c.file(0), "socket:") }
