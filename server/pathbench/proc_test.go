package pathbench

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The processes are looked at through /proc, which Linux has. Elsewhere their times and sizes are 0.

// cpuTime returns how long a process has run on a processor.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	// The name of the program, in brackets, may hold anything. After it come the state and ten numbers, then those of user
	// and system time, in hundredths of a second.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory returns how much memory a process holds, in bytes.
func memory(pid int) int64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
