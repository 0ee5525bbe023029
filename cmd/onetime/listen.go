package main

// Where serve listens: on a TCP address, on a unix socket, or on sockets that systemd opens (socket activation).

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// What --listen can say instead of an address.
const (
	unixPrefix    = "unix:"
	systemdListen = "systemd"
)

// privateSocket is the FileDescriptorName of the socket that --private-listen systemd takes.
const privateSocket = "private"

const addressWanted = "an address such as 127.0.0.1:3000 or [::1]:3000, unix:/PATH, or systemd"

// parseListen checks what can be known before listening.
func parseListen(text string) (string, error) {
	if path, isUnix := strings.CutPrefix(text, unixPrefix); isUnix {
		if path == "" {
			return "", errors.ErrUnsupported
		}
		return text, nil
	}
	if text == systemdListen {
		return text, nil
	}
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", err
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return text, err
}

func parseOptionalListen(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return parseListen(text)
}

// parseMode reads the permissions of a file, as chmod does.
func parseMode(text string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err == nil && mode > 0o777 {
		err = strconv.ErrRange
	}
	return fs.FileMode(mode), err
}

// activated are the sockets of systemd, by name. They can be taken once in the life of a process.
var activated = sync.OnceValues(activation.ListenersWithNames)

// listen opens the sockets that a setting names: several only from systemd.
func listen(address string, mode fs.FileMode, private bool) ([]net.Listener, error) {
	if path, isUnix := strings.CutPrefix(address, unixPrefix); isUnix {
		return one(listenUnix(path, mode))
	}
	if address == systemdListen {
		return listenSystemd(private)
	}
	return one(net.Listen("tcp", address))
}

func one(listener net.Listener, err error) ([]net.Listener, error) {
	if err != nil {
		return nil, err
	}
	return []net.Listener{listener}, nil
}

// listenUnix makes a socket in the place of one that a dead server has left.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// removeStale removes a socket on which nobody listens, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there, and is no socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another program listens on %s", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

func listenSystemd(private bool) ([]net.Listener, error) {
	named, err := activated()
	if err != nil {
		return nil, err
	}
	var chosen []net.Listener
	for name, listeners := range named {
		if (name == privateSocket) == private {
			chosen = append(chosen, listeners...)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("systemd has passed no such socket: a .socket unit has to be active; " +
			"that of --private-listen has FileDescriptorName=" + privateSocket)
	}
	return chosen, nil
}

// isPublic tells whether others than this machine can connect.
func isPublic(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// networkOf returns what one subscriber has of addresses, for a peer: an IPv4 address, or the /64 of an IPv6 one. It returns
// false for a peer that has none, on a unix socket.
func networkOf(peer net.Addr) (netip.Prefix, bool) {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}, false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, err := ip.Prefix(bits)
	return network, err == nil
}
