// Command publisher is the tests' stage: it joins rooms as any number of participants and publishes
// media that was encoded beforehand, so that a track costs next to nothing and its content is known
// for every instant.
//
// It takes commands as lines of JSON on standard input, and answers with lines of JSON on standard
// output. tests/README.md lists them.
//
//	publisher                    serves commands until its input ends
//	publisher make-media ...     makes one loop of pictures or sound, and prints its path
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
)

// The longest command line that is taken.
const maxLineBytes = 1 << 20

func main() {
	if len(os.Args) > 1 && os.Args[1] == "make-media" {
		if err := makeMedia(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "publisher:", err)
			os.Exit(1)
		}
		return
	}

	epochNs := flag.Int64("epoch", 0, "begin of the media clock, wall clock in ns")
	verbose := flag.Bool("verbose", false, "log what the client library does, to standard error")
	quiet := flag.Bool("quiet-start", false, "do not announce the epoch")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "publisher: unknown argument %q; it is \"make-media\" or nothing\n", flag.Arg(0))
		os.Exit(2)
	}
	if !*verbose {
		lksdk.SetLogger(logger.GetDiscardLogger())
		log.SetOutput(io.Discard)
	}

	s := newStage(newClock(*epochNs), os.Stdout)
	if !*quiet {
		s.out.event("ready", fields{"epoch_ns": s.clock.epochNs, "pid": os.Getpid()})
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 4096), maxLineBytes)
	for lines.Scan() {
		if len(lines.Bytes()) > 0 && !s.accept(lines.Bytes()) {
			break
		}
	}
	s.close()
}
