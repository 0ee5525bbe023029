// Package pathbench measures the whole path of a secret: the real server in a process of its own, on its default store,
// driven over TCP by a load generator in another one, beside a bare server of the same two calls. It has benchmarks, and a
// test of them, only.
//
//	go test ./server/pathbench -bench Path
//	ONETIME_MILLION=1 go test ./server/pathbench -bench Million -timeout 1h
//
// What a run prints as "ratio path/NAME VALUE" compares servers within that run, on that machine, and may be compared with
// other runs. Operations per second may not.
package pathbench
