package browsertest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a browser with its helpers: it ends with this process at the latest.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// start starts the command; what it says goes to a file.
func (p *process) start(log string) error {
	f, err := os.Create(log)
	if err != nil {
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.exited = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel's signal comes when this thread ends
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		_ = f.Close()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.exited)
		}
	}()
	return <-started
}

// kill ends the browser and its helpers at once.
func (p *process) kill() {
	select {
	case <-p.exited:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// await returns when the browser is gone, which it was asked to be.
func (p *process) await() {
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		p.kill()
		<-p.exited
	}
}
