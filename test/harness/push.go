package harness

import (
	"context"
	"fmt"
	"sync"
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
	img, err := imageOf(program)
	if err != nil {
		return err
	}
	return s.pushTo(repository, img)
}

// images are those of programs, by name. Each is made once, as to compress a program takes a second of CPU time with
// the race detector.
var images = struct {
	sync.Mutex
	made map[string]*image.Image
}{made: map[string]*image.Image{}}

func imageOf(program string) (*image.Image, error) {
	images.Lock()
	defer images.Unlock()
	if img := images.made[program]; img != nil {
		return img, nil
	}
	files, err := image.Binary(Program(program), "/"+program)
	if err != nil {
		return nil, err
	}
	img, err := image.Build(image.Config{Entrypoint: []string{"/" + program}}, image.Base(), files)
	if err == nil {
		images.made[program] = img
	}
	return img, err
}

// forgetImages removes the files of the images that imageOf has made.
func forgetImages() {
	for _, img := range images.made {
		img.Close()
	}
}

// PushImage is Push of an image that the caller describes.
func (s *Server) PushImage(t testing.TB, repository string, cfg image.Config, layers ...[]image.File) string {
	t.Helper()
	img, err := image.Build(cfg, layers...)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if err := s.pushTo(repository, img); err != nil {
		t.Fatal(err)
	}
	return s.ImageName(repository)
}

func (s *Server) pushTo(repository string, img *image.Image) error {
	return image.Push(context.Background(), fmt.Sprintf("%s/%s:latest", s.addr, repository), img, image.Auth{})
}
