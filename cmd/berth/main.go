// Command berth runs Amazon ECS's world on machines you own. See internal/cli for its commands.
package main

import (
	"os"

	"github.com/berthhq/berth/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
