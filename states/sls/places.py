"""The variables that tell an SLS where it is: `sls`, `slspath`, `tpldir`, … by Salt's rules."""


def sls_variables(real_path: str, sls: str) -> dict[str, str]:
    """Give the variables for an SLS, or for a template that a state of that SLS renders.

    For the SLS itself the `tpl…` variables name its file, relative to the roots; for another file
    they name the SLS, as in Salt.
    """
    path = sls.replace(".", "/").rstrip("/")
    if not sls:
        file_name = real_path.rsplit("/", 1)[-1]
    elif real_path.endswith(f"{path}.sls"):
        file_name = f"{path}.sls"
    elif real_path.endswith(f"{path}/init.sls"):
        file_name = f"{path}/init.sls"
    else:
        folder = sls.rsplit("/", 1)[0] if "/" in sls else "."
        return {
            "tplpath": real_path,
            "tplfile": sls,
            "tpldir": folder,
            "tplroot": folder.split("/")[0],
        }
    folder = file_name.rsplit("/", 1)[0] if "/" in file_name else ""
    return {
        "tplpath": real_path,
        "tplfile": file_name,
        "tpldir": folder or ".",
        "tpldot": folder.replace("/", "."),
        "tplroot": folder.split("/")[0] or ".",
        "slspath": folder,
        "slsdotpath": folder.replace("/", "."),
        "slscolonpath": folder.replace("/", ":"),
        "sls_path": folder.replace("/", "_"),
    }
