package harness

import (
	"context"
	"fmt"
	"testing"

	"github.com/berthhq/berth/internal/image"
)

// ImageName returns the name of a repository's latest image, as task definitions write it.
func (s *Server) ImageName(repository string) string {
	return fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com/%s:latest", s.Account, s.Region, repository)
}

// Push makes an image of one of Main's programs and pushes it to the repository of its name, which
// the first push makes. It returns the ImageName.
func (s *Server) Push(t testing.TB, program string) string {
	t.Helper()
	if err := s.TryPush(program, program); err != nil {
		t.Fatal(err)
	}
	return s.ImageName(program)
}

// TryPush is Push to a repository of any name. It returns an error instead of failing the test.
func (s *Server) TryPush(repository, program string) error {
	files, err := image.Binary(Program(program), "/"+program)
	if err != nil {
		return err
	}
	return s.pushImage(repository, image.Config{Entrypoint: []string{"/" + program}}, image.Base(), files)
}

// PushImage is Push of an image that the caller has made.
func (s *Server) PushImage(t testing.TB, repository string, cfg image.Config, layers ...[]image.File) string {
	t.Helper()
	if err := s.pushImage(repository, cfg, layers...); err != nil {
		t.Fatal(err)
	}
	return s.ImageName(repository)
}

func (s *Server) pushImage(repository string, cfg image.Config, layers ...[]image.File) error {
	img, err := image.Build(cfg, layers...)
	if err != nil {
		return err
	}
	defer img.Close()
	return image.Push(context.Background(), fmt.Sprintf("%s/%s:latest", s.addr, repository), img, image.Auth{})
}
