// Go, standard library only, one P: the others have one thread too.
// SPDX-License-Identifier: MIT
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const many, million, batch, sleepMs = 100000, 1000000, 1000, 100

var ran, parked int // plain: there is one P

func cpuNs() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func resident() float64 {
	var size, pages float64
	f, _ := os.Open("/proc/self/statm")
	defer f.Close()
	fmt.Fscan(f, &size, &pages)
	return pages * float64(os.Getpagesize())
}

func sleepTime(i int) time.Duration {
	return time.Duration(1000+i*7919%((sleepMs-1)*1000)) * time.Microsecond
}

func group(tasks int, fn func(i int)) {
	var all sync.WaitGroup
	all.Add(tasks)
	for i := 0; i < tasks; i++ {
		i := i
		go func() {
			defer all.Done()
			fn(i)
		}()
	}
	all.Wait()
}

func yieldCost(tasks, each int) float64 {
	start := cpuNs()
	group(tasks, func(int) {
		for k := 0; k < each; k++ {
			runtime.Gosched()
		}
	})
	return (cpuNs() - start) / float64(tasks*each)
}

func startJoin(tasks, times int) float64 {
	start := cpuNs()
	for t := 0; t < times; t++ {
		group(tasks, func(int) { ran++ })
	}
	return (cpuNs() - start) / float64(tasks*times)
}

func channel(capacity, items int) float64 {
	start := cpuNs()
	ch := make(chan int, capacity)
	go func() {
		for i := 0; i < items; i++ {
			ch <- i
		}
		close(ch)
	}()
	for i := range ch {
		ran += i
	}
	return (cpuNs() - start) / float64(items)
}

func scope() float64 {
	times := 1000000
	start := cpuNs()
	for i := 0; i < times; i++ {
		_, cancel := context.WithCancel(context.Background())
		cancel()
	}
	return (cpuNs() - start) / float64(times)
}

func timeout() float64 {
	times := 300000
	start := cpuNs()
	for i := 0; i < times; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if ctx.Err() != nil {
			ran++
		}
		cancel()
	}
	return (cpuNs() - start) / float64(times)
}

func sleepers() float64 {
	start := cpuNs()
	group(many, func(i int) { time.Sleep(sleepTime(i)) })
	return (cpuNs() - start) / many
}

// One context for all: a context each is 3 times dearer.
func parkAndCancel(tasks int) (bytes, ns float64) {
	ctx, cancel := context.WithCancel(context.Background())
	before := resident()
	var start float64
	go func() {
		for parked < tasks {
			runtime.Gosched()
		}
		bytes = (resident() - before) / float64(tasks)
		start = cpuNs()
		cancel()
	}()
	group(tasks, func(int) {
		parked++
		<-ctx.Done()
	})
	return bytes, (cpuNs() - start) / float64(tasks)
}

func bytesOf(tasks int) float64 {
	bytes, _ := parkAndCancel(tasks)
	return bytes
}

func serve(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		if _, err = c.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func echo() float64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go serve(c)
	}
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprint(w, "Hello, world!\n")
}

func serveHTTP() float64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(l, http.HandlerFunc(hello)))
}

func readCached() float64 {
	const times, size, blocks = 500000, 4096, 256
	f, err := os.CreateTemp("", "bench")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	os.Remove(f.Name())
	f.Write(make([]byte, size*blocks))
	data := make([]byte, size)
	start := cpuNs()
	for i := 0; i < times; i++ {
		if _, err := f.ReadAt(data, int64(i*7%blocks*size)); err != nil {
			panic(err)
		}
	}
	return (cpuNs() - start) / times
}

// In microseconds, real time.
func processStart() float64 {
	const times = 200
	start := time.Now()
	for i := 0; i < times; i++ {
		if err := exec.Command(os.Getenv("BENCH_NOTHING")).Run(); err != nil {
			panic(err)
		}
	}
	return float64(time.Since(start).Nanoseconds()) / times / 1000
}

func main() {
	runtime.GOMAXPROCS(1)
	measures := []struct {
		name string
		run  func() float64
	}{
		{"yield-2", func() float64 { return yieldCost(2, 1000000) }},
		{"yield-1000", func() float64 { return yieldCost(batch, 2000) }},
		{"start-join-1", func() float64 { return startJoin(1, 500000) }},
		{"start-join-1000", func() float64 { return startJoin(batch, 1000) }},
		{"rendezvous", func() float64 { return channel(0, 1000000) }},
		{"channel-64", func() float64 { return channel(64, 3000000) }},
		{"scope", scope},
		{"timeout", timeout},
		{"sleepers-100k", sleepers},
		{"cancel-100k", func() float64 { _, ns := parkAndCancel(many); return ns }},
		{"memory-100k", func() float64 { return bytesOf(many) }},
		{"memory-1m", func() float64 { return bytesOf(million) }},
		{"echo", echo},
		{"http", serveHTTP},
		{"read-cached", readCached},
		{"process-start", processStart},
	}
	for _, m := range measures {
		if os.Args[1] == "--list" {
			fmt.Println(m.name)
		} else if os.Args[1] == m.name {
			fmt.Printf("%s %.2f\n", m.name, m.run())
		}
	}
}
