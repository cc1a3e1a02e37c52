// Command berth runs Amazon ECS on machines you own. Package internal/cli has its commands.
package main

import (
	"os"

	"github.com/berthhq/berth/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
